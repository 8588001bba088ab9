import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ByteSource, fileBytes, memoryBytes } from '../../../src/image/bytes.ts'
import {
  gatherOverlays,
  InitrdTree,
  joinInitrds,
  joinInitrdsSync,
  listArchive,
  type Overlay,
  overlayArchive,
  parseOverlay,
} from '../../../src/initrd/index.ts'
import { System } from '../../../src/system/system.ts'

let folder: string
const place = (name: string) => join(folder, name)
const shell = (script: string, input?: Buffer) =>
  execFileSync('sh', ['-ec', script], { cwd: folder, maxBuffer: 1 << 28, ...(input ? { input } : {}) })

/** What distributions' initrds look like since /usr was merged. */
let initrd: Buffer

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'linux-kexec-overlay-'))
  shell(`
    mkdir -p tree/usr/lib/modules tree/usr/bin tree/etc tree/root src/modules/kernel
    ln -s usr/lib tree/lib; ln -s usr/bin tree/bin; chmod 700 tree/root; echo old > tree/etc/motd
    ln -s /etc/motd tree/etc/issue
    echo one > src/modules/kernel/one.ko; echo two > src/modules/two.ko; chmod 600 src/modules/two.ko
    ln -s two.ko src/modules/alias.ko; printf '#!/bin/sh\\n' > src/tool; chmod 755 src/tool`)
  initrd = shell('cd tree && find . | sort | busybox cpio -o -H newc')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function allOf(source: ByteSource): Buffer {
  return Buffer.from(source.read(0, source.size))
}

async function treeOf(...archives: Buffer[]): Promise<InitrdTree> {
  const tree = new InitrdTree()
  for (const archive of archives) {
    const see = listArchive(memoryBytes(archive), ({ name, mode, target }) => tree.add(name, mode, target))
    if (!(await see)) tree.isComplete = false
  }
  return tree
}

async function laidOver(base: Buffer, overlays: Overlay[]): Promise<Buffer> {
  const archive = overlayArchive(gatherOverlays(new System(), overlays), await treeOf(base))
  return allOf(archive.bytes)
}

/** Names in the archive, as busybox lists them. */
const names = (archive: Buffer) => shell('busybox cpio -t 2>/dev/null', archive).toString().trim().split('\n')

describe('an overlay', () => {
  test('of a folder: everything in it, links as links, with its permissions; unpacked by busybox', async () => {
    const archive = await laidOver(initrd, [{ source: place('src/modules'), destination: '/opt/modules' }])
    shell('mkdir out && cd out && busybox cpio -idm 2>/dev/null', archive)
    expect(readFileSync(place('out/opt/modules/kernel/one.ko'), 'utf8')).toBe('one\n')
    expect(lstatSync(place('out/opt/modules/two.ko')).mode & 0o777).toBe(0o600)
    expect(readlinkSync(place('out/opt/modules/alias.ko'))).toBe('two.ko')
    expect(lstatSync(place('out/opt')).mode & 0o777).toBe(0o755)
  })

  test('goes through the links of the initrd, and never takes their place', async () => {
    const archive = await laidOver(initrd, [{ source: place('src/modules'), destination: '/lib/modules' }])
    expect(names(archive)).toEqual([
      'usr/lib/modules/alias.ko',
      'usr/lib/modules/kernel',
      'usr/lib/modules/kernel/one.ko',
      'usr/lib/modules/two.ko',
    ])
  })

  test('of a file: at its own path, at another, into a folder', async () => {
    const tool = place('src/tool')
    expect(names(await laidOver(initrd, [{ source: tool, destination: '/bin/' }]))).toEqual(['usr/bin/tool'])
    expect(names(await laidOver(initrd, [{ source: tool, destination: '/bin/other' }]))).toEqual(['usr/bin/other'])
    expect(names(await laidOver(initrd, [{ source: tool }])).at(-1)).toBe(tool.slice(1))
  })

  test('of bytes, which may replace a file or a link', async () => {
    const source = Buffer.from('new')
    const archive = await laidOver(initrd, [
      { source, destination: '/etc/motd' },
      { source, destination: '/etc/issue', mode: 0o600 },
    ])
    expect(names(archive)).toEqual(['etc/motd', 'etc/issue'])
    expect(shell('busybox cpio -tv 2>/dev/null', archive).toString()).toMatch(/^-rw-r--r--.*\n-rw-------/)
  })

  test('leaves the folders of the initrd as they are, and the same input gives the same bytes', async () => {
    const overlays = [{ source: Buffer.from('x'), destination: '/root/deep/er/file' }]
    const archive = await laidOver(initrd, overlays)
    expect(names(archive)).toEqual(['root/deep', 'root/deep/er', 'root/deep/er/file'])
    expect(await laidOver(initrd, overlays)).toEqual(archive)
  })

  test('over a compressed initrd behind an uncompressed one', async () => {
    const [early, main] = [shell('mkdir -p e/kernel && cd e && find . | busybox cpio -o -H newc'), initrd]
    for (const compressor of ['gzip -1', 'zstd -q -1', 'xz -0', 'lz4 -l', 'bzip2 -1', 'lzma -0']) {
      const tree = await treeOf(Buffer.concat([early, Buffer.alloc(512), shell(`${compressor} -c`, main)]))
      expect(tree.isComplete, compressor).toBe(true)
      expect(tree.place('/lib/x', false, 'x').path, compressor).toBe('/usr/lib/x')
      expect(tree.place('/kernel/x', false, 'x').missing, compressor).toEqual([])
    }
  })

  test('over an initrd that cannot be looked into: /lib is not made, for it may be a link', async () => {
    const tree = await treeOf(Buffer.from('\x89LZO\0\r\n what cannot be read', 'latin1'))
    expect(tree.isComplete).toBe(false)
    expect(tree.place('/lib/modules/x.ko', false, 'x').missing).toEqual(['/lib/modules'])
    expect(tree.place('/opt/x', false, 'x').missing).toEqual(['/opt'])
  })
})

describe('is refused, and says why:', () => {
  const refusal = async (overlay: Overlay) => laidOver(initrd, [overlay]).then(String, (error) => error)

  test('a path that is no place in the initrd', async () => {
    const source = Buffer.from('x')
    for (const destination of ['relative', '/a/../b', '', '/']) {
      expect(await refusal({ source, destination }), destination).toMatchObject({ reason: 'invalid-argument' })
    }
    expect(await refusal({ source })).toMatchObject({ message: expect.stringContaining('bytes need a destination') })
  })

  test('what is not there, and what is neither file nor folder', async () => {
    expect(await refusal({ source: place('absent') })).toMatchObject({ reason: 'not-found', path: place('absent') })
    shell('mkdir odd && mkfifo odd/pipe')
    expect(await refusal({ source: place('odd') })).toMatchObject({ path: place('odd/pipe') })
  })

  test('a file in the way of a folder, a folder in the way of a file', async () => {
    const source = Buffer.from('x')
    expect(await refusal({ source, destination: '/etc/motd/x' })).toMatchObject({ reason: 'invalid-argument' })
    expect(await refusal({ source, destination: '/lib' })).not.toBeInstanceOf(Error)
    expect(await refusal({ source, destination: '/etc' })).toMatchObject({
      message: expect.stringContaining('the initrd has a folder at /etc'),
    })
  })

  test('a file that was changed after it was looked at', async () => {
    writeFileSync(place('changing'), 'before')
    const items = gatherOverlays(new System(), [{ source: place('changing') }])
    writeFileSync(place('changing'), 'afterwards')
    const { bytes } = overlayArchive(items, await treeOf(initrd))
    expect(() => allOf(bytes)).toThrow(expect.objectContaining({ reason: 'file-changed', path: place('changing') }))
  })

  test('links of the initrd that run in circles', async () => {
    mkdirSync(place('circle'))
    symlinkSync('b', place('circle/a'))
    symlinkSync('a', place('circle/b'))
    const tree = await treeOf(shell('cd circle && find . | busybox cpio -o -H newc'))
    expect(() => tree.place('/a/x', false, 'x')).toThrow('circles')
  })
})

test('SRC, SRC:DEST, and names with colons in them', () => {
  const exists = (path: string) => path === '/a:/b'
  expect(parseOverlay('/a', exists)).toEqual({ source: '/a' })
  expect(parseOverlay('/a:/c', exists)).toEqual({ source: '/a', destination: '/c' })
  expect(parseOverlay('/a:/b', exists)).toEqual({ source: '/a:/b' })
  expect(parseOverlay('/a:/b:/c', exists)).toEqual({ source: '/a:/b', destination: '/c' })
  expect(parseOverlay('10:30', exists)).toEqual({ source: '10:30' })
})

describe('joining', () => {
  const contentOf = (fd: number) => allOf(fileBytes(fd, fstatSync(fd).size))
  const part = (text: string) => ({ name: text, bytes: memoryBytes(Buffer.from(text)), fd: null })

  test('none, one file, several: padded so that each begins on a multiple of four', async () => {
    expect((await joinInitrds([])).fd).toBe(-1)
    const fd = openSync(place('src/tool'), 'r')
    expect((await joinInitrds([{ ...part('x'), fd }])).fd).toBe(fd)
    for (const made of [await joinInitrds([part('abcde'), part('f')]), joinInitrdsSync([part('abcde'), part('f')])]) {
      expect(contentOf(made.fd).toString()).toBe('abcde\0\0\0f')
      made.close()
    }
    closeSync(fd)
  })

  test('is interrupted, or fails when a file shrinks, and leaves nothing behind', async () => {
    const abort = new AbortController()
    const endless = { size: 2 ** 40, read: () => Buffer.alloc(10) }
    setImmediate(() => abort.abort())
    const joining = joinInitrds([part('a'), { name: 'b', bytes: endless, fd: null }], { signal: abort.signal })
    await expect(joining).rejects.toMatchObject({ reason: 'aborted' })
    const short = { size: 100, read: () => Buffer.alloc(0) }
    await expect(joinInitrds([part('a'), { name: 'b', bytes: short, fd: null }])).rejects.toMatchObject({
      reason: 'file-changed',
      path: 'b',
    })
    expect(shell(`ls -l /proc/${process.pid}/fd`).toString()).not.toContain('linux-kexec-initrd')
  })
})
