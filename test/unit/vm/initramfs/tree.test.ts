import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FileTree } from '../../../../src/vm/initramfs/tree.ts'

test('parents are made, and come before their children', () => {
  const tree = new FileTree()
  tree.add({ path: '/a/b/c', data: '' })
  tree.add({ path: '/a-b', data: '' })
  expect(tree.entries().map(({ path }) => path)).toEqual(['/a', '/a-b', '/a/b', '/a/b/c'])
})

test('with a merged /usr, /bin/x is /usr/bin/x', () => {
  const tree = new FileTree({ mergedUsr: true })
  tree.add({ path: '/bin', directory: true })
  tree.add({ path: '/bin/sh', link: 'dash' })
  expect(tree.has('/usr/bin/sh')).toBe(true)
  expect(tree.entries().find(({ path }) => path === '/bin')).toMatchObject({ link: 'usr/bin' })
})

test('a package that brings the links of a merged /usr, as base-files 13 does, leaves /usr/bin a directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-tree-'))
  try {
    mkdirSync(join(directory, 'usr/bin'), { recursive: true })
    writeFileSync(join(directory, 'usr/bin/true'), '')
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(directory, name))
    const tree = new FileTree({ mergedUsr: true })
    await tree.addDirectory(directory, '/')
    const paths = tree.entries().map((entry) => [entry.path, 'link' in entry ? entry.link : 'directory' in entry])
    expect(paths).toEqual([
      ['/bin', 'usr/bin'],
      ['/lib', 'usr/lib'],
      ['/lib64', 'usr/lib64'],
      ['/sbin', 'usr/sbin'],
      ['/usr', true],
      ['/usr/bin', true],
      ['/usr/bin/true', false],
      ['/usr/lib', true],
      ['/usr/lib64', true],
      ['/usr/sbin', true],
    ])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a later entry takes the place of an earlier one', () => {
  const tree = new FileTree()
  tree.add({ path: '/etc/hostname', data: 'one' })
  tree.add({ path: '/etc/hostname', data: 'two' })
  expect(tree.entries().at(-1)).toMatchObject({ data: 'two' })
})

test('the hash tells contents, modes and paths apart', async () => {
  const hashOf = (path: string, data: string, mode: number) => {
    const tree = new FileTree()
    tree.add({ path, data, mode })
    return tree.hash()
  }
  const hashes = [
    hashOf('/a', 'x', 0o644),
    hashOf('/a', 'y', 0o644),
    hashOf('/a', 'x', 0o755),
    hashOf('/b', 'x', 0o644),
  ]
  expect(new Set(await Promise.all(hashes)).size).toBe(4)
  expect(await hashOf('/a', 'x', 0o644)).toBe(await hashes[0])
})
