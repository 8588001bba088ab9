import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { errnoName, errnoNumber, KexecError, reasons } from '../../src/errors.ts'

test('every errno that Node knows has the same number here', () => {
  const aliases = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP'])
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!aliases.has(name)) expect([name, errnoNumber(name)]).toEqual([name, number])
  }
})

test('the errnos of signature checks, which Node lacks, have their names', () => {
  const kernel = {
    65: 'ENOPKG',
    80: 'ELIBBAD',
    126: 'ENOKEY',
    127: 'EKEYEXPIRED',
    128: 'EKEYREVOKED',
    129: 'EKEYREJECTED',
  }
  for (const [number, name] of Object.entries(kernel)) expect(errnoName(-Number(number))).toBe(name)
  expect(errnoName(8)).toBe('ENOEXEC')
  expect(errnoName(999)).toBe('E999')
})

test('the message reads like one of Node, and the fields carry the rest', () => {
  const error = new KexecError("the kernel image's signature was rejected", {
    reason: 'signature-rejected',
    errno: 129,
    syscall: 'kexec_file_load',
    path: '/boot/vmlinuz',
  })
  expect(error.message).toBe("EKEYREJECTED: the kernel image's signature was rejected, kexec_file_load '/boot/vmlinuz'")
  expect(error).toMatchObject({
    code: 'EKEYREJECTED',
    errno: -129,
    reason: 'signature-rejected',
    refused: false,
    evidence: [],
  })
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: 'EKEYREJECTED', path: '/boot/vmlinuz' })
})

test('docs/errors.md explains every reason with its kind, and no other', () => {
  const [, section = ''] = /^## Reasons\n([\s\S]*?)^## /m.exec(readFileSync('docs/errors.md', 'utf8')) ?? []
  const documented = [...section.matchAll(/^\| `([a-z-]+)` \| ([a-z]+) \|/gm)].map((match) =>
    match.slice(1, 3).join(' '),
  )
  const kinds = reasons.map((reason) => `${reason} ${new KexecError('', { reason }).kind}`)
  expect(documented.sort()).toEqual(kinds.sort())
})
