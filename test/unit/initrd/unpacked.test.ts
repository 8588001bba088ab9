import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { fileBytes, memoryBytes } from '../../../src/bytes/bytes.ts'
import { unpackInitrd } from '../../../src/initrd/unpacked.ts'
import { makeTree } from '../entries/tree.ts'

let directory: string
beforeEach(() => {
  directory = makeTree({ '/init': { text: '#!/bin/sh\n' } })
  // More than any decompressor takes at once, and not a multiple of four.
  writeFileSync(join(directory, 'payload'), randomBytes(1_000_001))
})

const archive = (...names: string[]) =>
  execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], { input: names.join('\n'), cwd: directory, maxBuffer: 2 ** 28 })
const packed = (input: Buffer, program: string, ...args: string[]) =>
  execFileSync(program, [...args, '-c'], { input, maxBuffer: 2 ** 28 })

/** What an initrd becomes, or null where it is left alone. */
async function unpacked(initrd: Buffer): Promise<Buffer | null> {
  const memory = await unpackInitrd(memoryBytes(initrd))
  if (memory === null) return null
  const bytes = Buffer.from(fileBytes(memory.file, memory.size).read(0, memory.size))
  memory.close()
  return bytes
}

describe.each([
  ['gzip', ['gzip']],
  ['zstd', ['zstd', '-q']],
  ['zstd with threads and checksum', ['zstd', '-q', '-19', '-T2', '--check']],
  ['xz', ['xz', '--check=crc32']],
  ['xz in many blocks', ['xz', '--check=crc32', '--block-size=65536']],
] as const)('%s', (_name, [program, ...args]) => {
  test('is unpacked to the archive that was packed', async () => {
    const main = archive('init', 'payload')
    expect((await unpacked(packed(main, program, ...args)))?.equals(main)).toBe(true)
  })

  test('microcode before it stays before it, padding behind it is no matter', async () => {
    const [microcode, main] = [archive('init'), archive('payload')]
    const initrd = Buffer.concat([microcode, packed(main, program, ...args), Buffer.alloc(4099)])
    expect((await unpacked(initrd))?.equals(Buffer.concat([microcode, main]))).toBe(true)
  })

  test('an archive behind it is not lost: then all is left as it is', async () => {
    const main = packed(archive('payload'), program, ...args)
    const padding = Buffer.alloc((4 - (main.length % 4)) % 4)
    expect(await unpacked(Buffer.concat([main, padding, archive('init')]))).toBeNull()
    const other = program === 'xz' ? 'gzip' : 'xz'
    expect(await unpacked(Buffer.concat([main, padding, packed(archive('init'), other)]))).toBeNull()
  })

  test('several of the same kind after one another are all unpacked', async () => {
    const both = [archive('init'), archive('payload')]
    const initrd = Buffer.concat(both.map((each) => packed(each, program, ...args)))
    expect((await unpacked(initrd))?.equals(Buffer.concat(both))).toBe(true)
  })

  test('one that is cut off or damaged is left as it is', async () => {
    const main = packed(archive('init', 'payload'), program, ...args)
    expect(await unpacked(main.subarray(0, -100))).toBeNull()
    const damaged = Buffer.from(main)
    damaged.fill(0xa5, main.length >> 1, (main.length >> 1) + 64)
    expect(await unpacked(damaged)).toBeNull()
  })

  test('what is no archive is left as it is', async () => {
    expect(await unpacked(packed(Buffer.from('no archive'.repeat(100)), program, ...args))).toBeNull()
  })
})

test('what is not compressed, or in a way whose end is not known, is left as it is', async () => {
  expect(await unpacked(archive('init'))).toBeNull()
  expect(await unpacked(packed(archive('init'), 'bzip2'))).toBeNull()
  expect(await unpacked(Buffer.alloc(5000))).toBeNull()
  expect(await unpacked(Buffer.alloc(0))).toBeNull()
})

test('it can be interrupted', async () => {
  const source = memoryBytes(packed(archive('payload'), 'gzip'))
  await expect(unpackInitrd(source, { signal: AbortSignal.abort() })).rejects.toMatchObject({ reason: 'aborted' })
})
