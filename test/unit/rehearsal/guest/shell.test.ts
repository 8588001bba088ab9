import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileTypes } from '../../../../src/initrd/cpio.ts'
import { InitrdTree } from '../../../../src/initrd/tree.ts'
import { shellFor } from '../../../../src/rehearsal/guest/shell.ts'

const path = process.env['PATH']
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-shell-test-'))
})
afterEach(() => {
  process.env['PATH'] = path
  rmSync(directory, { recursive: true })
})

test('an initrd with a shell keeps it, behind its links', async () => {
  const tree = new InitrdTree()
  for (const name of ['usr', 'usr/bin']) tree.add(name, fileTypes.directory | 0o755, null)
  tree.add('bin', fileTypes.link | 0o777, 'usr/bin')
  tree.add('usr/bin/sh', fileTypes.link | 0o777, 'dash')
  tree.add('usr/bin/dash', fileTypes.regular | 0o755, null)
  expect(await shellFor(tree)).toEqual({ files: [], preparations: [] })
})

test('the shell of this machine runs with the files that are brought, and nothing else', async () => {
  const { files, preparations } = await shellFor(new InitrdTree())
  for (const { source, destination, mode } of files) {
    const place = join(directory, destination as string)
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, source as Uint8Array, { mode: mode as number })
  }
  // Its own loader and libraries are tried where a root directory can be entered.
  if (process.getuid?.() !== 0) return
  const run = (...words: readonly string[]) => execFileSync('chroot', [directory, ...words]).toString()
  for (const words of preparations) run(...words)
  expect(run('/bin/sh', '-c', 'echo started; exit 0')).toBe('started\n')
})

test('a file that the initrd has stays', async () => {
  const all = (await shellFor(new InitrdTree())).files.map(({ destination }) => destination as string)
  const library = all.at(-1) as string
  if (all.length === 1) return
  const tree = new InitrdTree()
  for (let name = dirname(library); name !== '/'; name = dirname(name))
    tree.add(name, fileTypes.directory | 0o755, null)
  tree.add(library, fileTypes.regular | 0o755, null)
  const { files } = await shellFor(tree)
  expect(files.map(({ destination }) => destination)).toEqual(all.slice(0, -1))
})

test('a busybox that is no program is passed over for the shell', async () => {
  writeFileSync(join(directory, 'busybox'), 'no program at all', { mode: 0o755 })
  process.env['PATH'] = directory
  const { files, preparations } = await shellFor(new InitrdTree())
  expect(files[0]?.destination).toBe('/bin/sh')
  expect(preparations).toEqual([])
})
