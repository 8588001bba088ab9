import { X509Certificate } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { memoryBytes } from '../../../../src/bytes/bytes.ts'
import { parseImaAttribute, readImaAttribute } from '../../../../src/image/signature/ima.ts'
import { inspectSignatures } from '../../../../src/image/signature/inspect.ts'

const fixture = (name: string) => readFileSync(`test/fixtures/signatures/${name}`)

test('what evmctl puts into security.ima names the key that signed', async () => {
  const attribute = parseImaAttribute(fixture('ima.sig'))
  expect(attribute).toMatchObject({ kind: 'signature', hashAlgorithm: 'sha256', digest: null, problems: [] })
  expect(attribute.signatureSize).toBe(256)
  const { signatures } = await inspectSignatures(memoryBytes(fixture('sbsign.efi')))
  expect(signatures[0]?.certificates[0]?.sha256).toBe(
    new X509Certificate(fixture('signer.der')).fingerprint256.replaceAll(':', '').toLowerCase(),
  )
  expect(signatures[0]?.signer?.keyId?.endsWith(attribute.keyId as string)).toBe(true)
})

test('a hash is told from a signature', () => {
  const sha512 = Buffer.alloc(64, 0xab)
  expect(parseImaAttribute(Buffer.concat([Buffer.from([4, 6]), sha512]))).toMatchObject({
    kind: 'hash',
    hashAlgorithm: 'sha512',
    digest: sha512.toString('hex'),
    keyId: null,
  })
  expect(parseImaAttribute(Buffer.concat([Buffer.from([1]), Buffer.alloc(20)]))).toMatchObject({
    hashAlgorithm: 'sha1',
  })
})

test('a damaged attribute is named, and none throws', () => {
  expect(parseImaAttribute(fixture('ima.sig').subarray(0, 100)).problems.join()).toContain('91 bytes instead of 256')
  expect(parseImaAttribute(Buffer.from([3, 2, 4])).problems.join()).toContain('header')
  expect(parseImaAttribute(Buffer.from([9])).problems.join()).toContain('unknown type 9')
  expect(parseImaAttribute(Buffer.alloc(0)).problems.join()).toContain('empty')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseImaAttribute(Buffer.from(bytes))))
})

test('a file without the attribute has none; a descriptor that is not open is an error', () => {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-ima-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'kernel'), '')
  const fd = openSync(join(directory, 'kernel'), 'r')
  expect(readImaAttribute(fd)).toBeNull()
  closeSync(fd)
  expect(() => readImaAttribute(-1)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'fgetxattr' }))
})
