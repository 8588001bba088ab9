import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageEntry, writeCpio } from '../../../../src/vm/initramfs/cpio.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-cpio-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function written(name: string, entries: ImageEntry[]): Promise<Buffer> {
  const file = join(directory, name)
  await writeCpio(file, entries)
  return readFileSync(file)
}

const tree: ImageEntry[] = [
  { path: '/bin', directory: true },
  { path: '/bin/tool', data: '#!/bin/sh\n', mode: 0o755 },
  { path: '/bin/alias', link: 'tool' },
  { path: '/console', device: { type: 'character', major: 5, minor: 1 } },
  { path: '/empty', data: '' },
  { path: '/home', directory: true, uid: 1000, gid: 1000, mode: 0o700 },
  ...[1, 2, 3, 4].map((length) => ({ path: `/${'n'.repeat(length)}`, data: 'd'.repeat(length) })),
]

test('busybox lists every entry with its type, mode, owner and size', async () => {
  const listing = execFileSync('busybox', ['cpio', '-tv'], { input: await written('list.cpio', tree) }).toString()
  const rows = listing
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
  const row = (path: string) => rows.find((words) => words.includes(path))
  expect(rows).toHaveLength(tree.length)
  expect(row('bin')?.[0]).toBe('drwxr-xr-x')
  expect(row('bin/tool')?.slice(0, 3)).toEqual(['-rwxr-xr-x', '0/0', '10'])
  expect(row('bin/alias')).toEqual(expect.arrayContaining(['lrwxrwxrwx', '->', 'tool']))
  expect(row('console')?.[0]).toBe('crw-------')
  expect(row('home')?.slice(0, 2)).toEqual(['drwx------', '1000/1000'])
})

test('names and contents of every length are padded so that the next entry is found', async () => {
  const archive = await written('extract.cpio', tree)
  const extracted = mkdtempSync(join(directory, 'x-'))
  const wanted = ['bin/tool', 'n', 'nn', 'nnn', 'nnnn', 'empty']
  execFileSync('busybox', ['cpio', '-id', ...wanted], {
    input: archive,
    cwd: extracted,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  expect(wanted.map((name) => readFileSync(join(extracted, name), 'utf8'))).toEqual([
    '#!/bin/sh\n',
    'd',
    'dd',
    'ddd',
    'dddd',
    '',
  ])
})

test('the same entries give the same bytes, whatever the time and the files they come from', async () => {
  const source = join(directory, 'source')
  writeFileSync(source, 'copied')
  const copied = await written('a.cpio', [{ path: '/file', source }])
  const given = await written('b.cpio', [{ path: '/file', data: 'copied' }])
  expect(copied.equals(given)).toBe(true)
})

test('the header is that of the newc format', async () => {
  const archive = await written('golden.cpio', [{ path: '/a', data: 'xyz', mode: 0o640, uid: 1, gid: 2 }])
  const fields = ['00000001', '000081a0', '00000001', '00000002', '00000001', '00000000', '00000003']
  const rest = ['00000000', '00000000', '00000000', '00000000', '00000002', '00000000']
  expect(archive.toString('latin1')).toMatch(`070701${[...fields, ...rest].join('')}a\0xyz\x00070701`)
})

test('a file of 4 GiB is refused: its size has no place in the header', async () => {
  const source = join(directory, 'huge')
  writeFileSync(source, '')
  truncateSync(source, 2 ** 32)
  await expect(written('huge.cpio', [{ path: '/huge', source }])).rejects.toThrow(RangeError)
})

test('a path with nothing in it, or with a NUL, is refused', async () => {
  await expect(written('root.cpio', [{ path: '/', data: '' }])).rejects.toThrow(RangeError)
  await expect(written('nul.cpio', [{ path: '/a\0b', data: '' }])).rejects.toThrow(RangeError)
})
