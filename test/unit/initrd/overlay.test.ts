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
import { type ByteSource, fileBytes, memoryBytes } from '../../../src/bytes/bytes.ts'
import type { KexecError } from '../../../src/errors.ts'
import { listArchive } from '../../../src/initrd/archive-entries.ts'
import { joinInitrds, joinInitrdsSync } from '../../../src/initrd/join.ts'
import { gatherOverlays, type InitrdOverlay, overlayArchive } from '../../../src/initrd/overlay.ts'
import { parseOverlay } from '../../../src/initrd/overlay-option.ts'
import { InitrdTree } from '../../../src/initrd/tree.ts'
import { System } from '../../../src/system/system.ts'

let directory: string
const place = (name: string) => join(directory, name)
const shell = (script: string, input?: Buffer) =>
  execFileSync('sh', ['-ec', script], { cwd: directory, maxBuffer: 1 << 28, ...(input ? { input } : {}) })

/** What distributions' initrds look like since /usr was merged. */
let initrd: Buffer

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'linux-kexec-overlay-'))
  shell(`
    mkdir -p tree/usr/lib/modules tree/usr/bin tree/etc tree/root src/modules/kernel
    ln -s usr/lib tree/lib; ln -s usr/bin tree/bin; chmod 700 tree/root; echo old > tree/etc/motd
    ln -s /etc/motd tree/etc/issue
    echo one > src/modules/kernel/one.ko; echo two > src/modules/two.ko; chmod 600 src/modules/two.ko
    ln -s two.ko src/modules/alias.ko; printf '#!/bin/sh\\n' > src/tool; chmod 755 src/tool`)
  initrd = shell('cd tree && find . | sort | busybox cpio -o -H newc')
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

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

/** The first thing that cannot be added is thrown. */
function gathered(overlays: InitrdOverlay[]) {
  return gatherOverlays(new System(), overlays, (refusal) => {
    throw refusal
  })
}

async function laidOver(base: Buffer, overlays: InitrdOverlay[]): Promise<Buffer> {
  const archive = overlayArchive(gathered(overlays), await treeOf(base))
  return allOf(archive.bytes)
}

/** Names in the archive, as busybox lists them; directories without the slash at their end. */
const names = (archive: Buffer) =>
  shell('busybox cpio -t 2>/dev/null', archive).toString().trim().replace(/\/$/gm, '').split('\n')

describe('an overlay', () => {
  test('of a directory: everything in it, links as links, with its permissions; unpacked by busybox', async () => {
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

  test('of a file: at its own path, at another, into a directory', async () => {
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
    // A link first takes the name of the file, whose other names keep what they had.
    expect(names(archive)).toEqual(['etc/motd', 'etc/motd', 'etc/issue'])
    expect(shell('busybox cpio -tv 2>/dev/null', archive).toString()).toMatch(/^lrwx.*\n-rw-r--r--.*\n-rw-------/)
  })

  test('leaves the directories of the initrd as they are, and the same input gives the same bytes', async () => {
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

  test('is not laid over anything once it was interrupted', async () => {
    const archive = memoryBytes(shell('xz -0 --check=crc32 -c', initrd))
    await expect(listArchive(archive, () => {}, AbortSignal.abort())).rejects.toMatchObject({ reason: 'aborted' })
  })

  test('over an initrd that cannot be looked into: neither a link to a directory nor other names of a file are lost', async () => {
    const tree = await treeOf(Buffer.from('\x89LZO\0\r\n what cannot be read', 'latin1'))
    expect(tree.isComplete).toBe(false)
    const items = gathered([{ source: place('src/tool'), destination: '/lib/tool' }])
    const archive = allOf(overlayArchive(items, tree).bytes)
    shell('cp -a tree over && echo old > over/usr/lib/tool && ln over/usr/lib/tool over/usr/lib/other')
    shell('cd over && cpio -idu --quiet', archive)
    expect(readlinkSync(place('over/lib'))).toBe('usr/lib')
    expect(readFileSync(place('over/usr/lib/tool'), 'utf8')).toBe('#!/bin/sh\n')
    expect(readFileSync(place('over/usr/lib/other'), 'utf8')).toBe('old\n')
  })

  test.each([
    ['GNU cpio', 'cpio -idmu --quiet'],
    ['bsdtar', 'bsdtar -xpf -'],
    ['busybox', 'busybox cpio -idmu 2>/dev/null'],
  ])('unpacked over the initrd by %s is what was put there', async (name, unpack) => {
    const source = place('src/modules')
    const archive = await laidOver(initrd, [
      { source, destination: '/lib/modules' },
      { source: place('src/tool'), destination: '/bin/' },
      { source: Buffer.from('secret'), destination: '/root/key', mode: 0o400 },
    ])
    const into = name.replace(' ', '-')
    shell(`cp -a tree ${into}`)
    shell(`cd ${into} && ${unpack}`, archive)
    shell(`diff -r --no-dereference src/modules ${into}/usr/lib/modules`)
    const modeOf = (path: string) => (lstatSync(place(`${into}/${path}`)).mode & 0o7777).toString(8)
    expect(readlinkSync(place(`${into}/lib`))).toBe('usr/lib')
    expect([modeOf('usr/bin/tool'), modeOf('root'), modeOf('root/key'), modeOf('usr/lib/modules/two.ko')]).toEqual([
      ...['755', '700', '400', '600'],
    ])
  })

  test('through a link that another overlay brings', async () => {
    shell('mkdir -p laid/usr/share && ln -s usr/share laid/short')
    const overlays = [
      { source: place('laid'), destination: '/' },
      { source: place('src/tool'), destination: '/short/' },
    ]
    expect(names(await laidOver(initrd, overlays))).toEqual(['short', 'usr/share', 'usr/share/tool'])
  })

  test('belongs to root, whoever made it, and to the beginning of time', async () => {
    const archive = await laidOver(initrd, [{ source: place('src/modules'), destination: '/opt' }])
    const lines = shell('cpio -tvn --quiet', archive).toString().trim().split('\n')
    for (const line of lines) expect(line).toMatch(/ 0 +0 +\d+ Jan +1 +1970 /)
  })
})

describe('is refused, and says why:', () => {
  const refusal = async (overlay: InitrdOverlay) => laidOver(initrd, [overlay]).then(String, (error) => error)

  test('a path that is no place in the initrd', async () => {
    const source = Buffer.from('x')
    for (const destination of ['relative', '/a/../b', '', '/']) {
      expect(await refusal({ source, destination }), destination).toMatchObject({ reason: 'invalid-argument' })
    }
    expect(await refusal({ source })).toMatchObject({ message: expect.stringContaining('bytes need a destination') })
  })

  test('what is not there, and what is neither file nor directory', async () => {
    expect(await refusal({ source: place('absent') })).toMatchObject({ reason: 'not-found', path: place('absent') })
    shell('mkdir odd && mkfifo odd/pipe')
    expect(await refusal({ source: place('odd') })).toMatchObject({ path: place('odd/pipe') })
  })

  test('everything at once, each by its name', async () => {
    shell('mkdir many && mkfifo many/pipe && echo fine > many/fine && truncate -s 4G many/huge')
    const told: KexecError[] = []
    const bytes = Buffer.from('x')
    const overlays: InitrdOverlay[] = [
      { source: place('many'), destination: '/' },
      { source: '/dev/null' },
      { source: place('src'), mode: 0o700 },
      { source: bytes, destination: '/x', mode: 0o10000 },
      { source: bytes, destination: `/${'x/'.repeat(2048)}x` },
    ]
    const items = gatherOverlays(new System(), overlays, (refusal) => told.push(refusal))
    expect(items.map(({ path }) => path)).toEqual(['/fine'])
    expect(told.map(({ path, summary }) => path ?? summary)).toEqual([
      place('many/huge'),
      place('many/pipe'),
      '/dev/null',
      expect.stringContaining('a mode is for a file'),
      expect.stringContaining('not permission bits'),
      '(bytes)',
    ])
  })

  test('a file in the way of a directory, a directory in the way of a file', async () => {
    const source = Buffer.from('x')
    expect(await refusal({ source, destination: '/etc/motd/x' })).toMatchObject({ reason: 'invalid-argument' })
    expect(await refusal({ source, destination: '/lib' })).not.toBeInstanceOf(Error)
    expect(await refusal({ source, destination: '/etc' })).toMatchObject({
      message: expect.stringContaining('the initrd has a directory at /etc'),
    })
  })

  test('a file that was changed after it was looked at', async () => {
    writeFileSync(place('changing'), 'before')
    const items = gathered([{ source: place('changing') }])
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
  expect(parseOverlay('/a:/b:/c:/d', exists)).toEqual({ source: '/a:/b', destination: '/c:/d' })
  expect(parseOverlay('10:30', exists)).toEqual({ source: '10:30' })
})

describe('joining', () => {
  const contentOf = (fd: number) => allOf(fileBytes(fd, fstatSync(fd).size))
  const part = (text: string) => ({ name: text, bytes: memoryBytes(Buffer.from(text)), fd: null })

  test('none, one file, several: each begins on a multiple of four, behind at least four zeros', async () => {
    expect((await joinInitrds([])).fd).toBe(-1)
    const fd = openSync(place('src/tool'), 'r')
    expect((await joinInitrds([{ ...part('x'), fd }])).fd).toBe(fd)
    for (const made of [await joinInitrds([part('abcde'), part('f')]), joinInitrdsSync([part('abcde'), part('f')])]) {
      expect(contentOf(made.fd).toString()).toBe('abcde\0\0\0\0\0\0\0f')
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
