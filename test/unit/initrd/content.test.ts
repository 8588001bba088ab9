import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryBytes } from '../../../src/bytes/bytes.ts'
import { checkInitrdContent } from '../../../src/initrd/content.ts'

const texts = (remarks: readonly { text: string }[]) => remarks.map(({ text }) => text).join()

let directory: string
let newc: Buffer
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-content-'))
  for (const name of ['one', 'two', 'three']) writeFileSync(join(directory, name), name.repeat(100))
  newc = cpio('newc')
})
afterAll(() => rmSync(directory, { recursive: true }))

const cpio = (format: string) =>
  execFileSync('cpio', ['-o', '-H', format, '--quiet'], { input: 'one\ntwo\nthree', cwd: directory })
const packed = (input: Buffer, program: string, ...args: string[]) => execFileSync(program, [...args, '-c'], { input })
const check = (bytes: Buffer) => checkInitrdContent(memoryBytes(bytes))

const taken = { refusal: null, warnings: [], isArchive: true }

describe('what a kernel takes', () => {
  test.each(['newc', 'crc'])('cpio -H %s', async (format) => {
    expect(await check(cpio(format))).toMatchObject(taken)
  })

  test.each([
    ['gzip', []],
    ['bzip2', []],
    ['zstd', ['-19']],
    ['lz4', ['-l']],
    ['lzop', []],
    ['xz', ['--check=crc32']],
    ['xz', ['--check=none']],
    ['xz', ['--format=lzma']],
  ])('%s %s, alone and behind microcode', async (program, args) => {
    const archive = packed(newc, program, ...args)
    expect(await check(archive)).toMatchObject(taken)
    expect(await check(Buffer.concat([newc, archive]))).toMatchObject(taken)
  })

  test('zeros before and between archives', async () => {
    const zeros = Buffer.alloc(512)
    expect(await check(Buffer.concat([zeros, newc, zeros, newc, zeros]))).toMatchObject(taken)
  })

  test('an archive with more entries than are looked at', async () => {
    const names = Array.from({ length: 100 }, () => 'one').join('\n')
    const many = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], { input: names, cwd: directory })
    let read = 0
    const source = memoryBytes(many)
    const counted = {
      size: many.length,
      read: (offset: number, length: number) => {
        const bytes = source.read(offset, length)
        read += bytes.length
        return bytes
      },
    }
    expect(await checkInitrdContent(counted)).toMatchObject(taken)
    expect(read).toBeLessThan(64 * 1024)
  })
})

describe('what no kernel takes', () => {
  const refused = async (bytes: Buffer) => (await check(bytes)).refusal

  test('nothing, and nothing but zeros', async () => {
    expect(await refused(Buffer.alloc(0))).toMatchObject({ summary: 'this is an empty file, not an initrd' })
    expect(await refused(Buffer.alloc(5000))).toMatchObject({ summary: 'this is nothing but zeros, not an initrd' })
  })

  test.each(['odc', 'bin'])('cpio -H %s: how to make it is told', async (format) => {
    expect(await refused(cpio(format))).toEqual({
      summary: 'this is a cpio archive of an old format, which the kernel does not unpack',
      hint: 'Make it with `cpio --create --format=newc`.',
    })
  })

  test.each([
    ['lz4', [], 'lz4 -l'],
    ['xz', [], 'xz --check=crc32'],
    ['xz', ['--check=sha256'], 'xz --check=crc32'],
  ])('%s %s, alone and behind microcode', async (program, args, remedy) => {
    const archive = packed(newc, program, ...args)
    expect((await refused(archive))?.hint).toContain(remedy)
    expect((await refused(Buffer.concat([newc, archive])))?.hint).toContain(remedy)
  })

  test('an archive that does not begin at a multiple of 4', async () => {
    expect((await refused(Buffer.concat([Buffer.alloc(2), newc])))?.summary).toContain(
      'byte 2, which is not a multiple of 4',
    )
  })

  test('something else is named', async () => {
    expect((await refused(Buffer.from('buy milk\n')))?.summary).toMatch(/^this is a text file, neither/)
    expect((await refused(readFileSync(process.execPath).subarray(0, 100_000)))?.summary).toMatch(/ELF/)
    expect((await checkInitrdContent(memoryBytes(Buffer.alloc(0)), 'a directory')).refusal?.summary).toMatch(
      /a directory/,
    )
  })
})

describe('what may not work', () => {
  const warned = async (bytes: Buffer) => {
    const content = await check(bytes)
    expect(content.refusal).toBeNull()
    return { isArchive: content.isArchive, warnings: texts(content.warnings) }
  }

  test.each([
    ['an ext2', 'mkfs.ext2', ['-q', '-F']],
    ['a cramfs', 'mkfs.cramfs', null],
    ['a squashfs', 'mksquashfs', null],
  ])('%s file system: an initrd of the old kind, plain and compressed', async (name, program, args) => {
    const image = join(directory, `${program}.image`)
    writeFileSync(image, '')
    truncateSync(image, args === null ? 0 : 1024 * 1024)
    const tree = mkdtempSync(join(directory, 'tree-'))
    const made = spawnSync(
      program,
      args === null ? [tree, image, ...(program === 'mksquashfs' ? ['-noappend'] : [])] : [...args, image],
    )
    expect(made.error).toBeUndefined()
    const bytes = readFileSync(image)
    for (const each of [bytes, packed(bytes, 'gzip'), packed(bytes, 'zstd')]) {
      const { isArchive, warnings } = await warned(each)
      expect(isArchive).toBe(false)
      expect(warnings).toContain(`is ${name}`)
      expect(warnings).toContain('root=/dev/ram0')
    }
  })

  test.each([
    ['gzip', []],
    ['bzip2', []],
    ['zstd', []],
    ['xz', ['--check=crc32']],
    ['lz4', ['-l']],
  ])('%s of something that is no cpio archive', async (program, args) => {
    expect((await warned(packed(Buffer.from('buy milk\n'), program, ...args))).warnings).toContain(
      'unpacks to a text file',
    )
    const tar = execFileSync('tar', ['-cf', '-', 'one'], { cwd: directory })
    expect((await warned(packed(tar, program, ...args))).warnings).toContain('unpacks to a tar archive')
  })

  test('an archive that is cut off, or followed by something else', async () => {
    expect((await warned(newc.subarray(0, 500))).warnings).toContain('cut off')
    expect((await warned(Buffer.concat([newc, Buffer.from('junk')]))).warnings).toContain(`at byte ${newc.length}`)
  })
})

test('whatever the bytes are, there is an answer', async () => {
  const beginnings = fc.constantFrom(
    ...[
      '070701',
      '070702',
      '070707',
      '\x1f\x8b',
      '\xfd7zXZ\0',
      '\x28\xb5\x2f\xfd',
      '\x02\x21\x4c\x18',
      'BZh9',
      ']\0\0',
      '\0',
      '',
    ],
  )
  await fc.assert(
    fc.asyncProperty(beginnings, fc.uint8Array({ maxLength: 400 }), fc.nat(600), async (beginning, rest, cut) => {
      const start = Buffer.concat([Buffer.from(beginning, 'latin1'), Buffer.from(rest)])
      const damaged = Buffer.from(newc)
      start.copy(damaged, cut)
      for (const bytes of [start, damaged, damaged.subarray(0, cut), Buffer.concat([newc, start])]) {
        const { description, warnings } = await check(bytes)
        expect(typeof description).toBe('string')
        expect(warnings.length).toBeLessThan(4)
      }
    }),
    { numRuns: 300 },
  )
})
