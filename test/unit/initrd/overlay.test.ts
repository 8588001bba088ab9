import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { KexecError } from '../../../src/errors.ts'
import { type Overlay, planOverlay } from '../../../src/initrd/overlay.ts'
import { System } from '../../../src/system/system.ts'

let folder: string
const path = (name: string) => join(folder, name)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linux-kexec-overlay-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
})

/** A file of the folder, with the folders above it. */
function file(name: string, text: string, mode = 0o644): string {
  mkdirSync(join(path(name), '..'), { recursive: true })
  writeFileSync(path(name), text)
  chmodSync(path(name), mode)
  return path(name)
}

function planned(...overlays: Overlay[]) {
  const refusals: KexecError[] = []
  const plan = planOverlay(new System(), overlays, (refusal) => refusals.push(refusal))
  return { ...plan, refusals, bytes: () => Buffer.concat([...plan.part.chunks()].map((chunk) => Buffer.from(chunk))) }
}

/** Everything in a folder: what it is, its permissions, what it holds. */
function contents(root: string, below = ''): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(join(root, below)).sort()) {
    const inner = `${below}/${name}`
    const stats = lstatSync(join(root, inner))
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isSymbolicLink()) found[inner] = `link ${readlinkSync(join(root, inner))}`
    else if (stats.isDirectory()) Object.assign(found, { [inner]: `folder ${mode}` }, contents(root, inner))
    else found[inner] = `${mode} ${readFileSync(join(root, inner), 'utf8')}`
  }
  return found
}

/** What one of the tools makes of an archive. */
type Unpacker = readonly [name: string, program: string, args: readonly string[]]
const unpackers: readonly Unpacker[] = [
  ['GNU cpio', 'cpio', ['-idmu', '--quiet', '--no-absolute-filenames']],
  ['bsdtar', 'bsdtar', ['-xpf', '-']],
  ['busybox', 'busybox', ['cpio', '-idmu']],
]

function isInstalled(program: string): boolean {
  return (
    process.env['PATH']?.split(':').some((folder) => lstatSync(join(folder, program), { throwIfNoEntry: false })) ===
    true
  )
}

function unpacked(archive: Buffer, [, program, args]: Unpacker, into = mkdtempSync(path('out-'))) {
  execFileSync(program, [...args], { input: archive, cwd: into, stdio: ['pipe', 'ignore', 'ignore'] })
  return contents(into)
}

const gnuCpio = unpackers[0] as Unpacker

describe.each(unpackers)('unpacked by %s', (...unpacker) => {
  test.skipIf(!isInstalled(unpacker[1]))('a tree, a file under another name, and bytes', () => {
    file('tree/etc/app/secret', 'password', 0o600)
    file('tree/usr/bin/tool', '#!/bin/sh\n', 0o755)
    file('tree/usr/bin/a-tool', 'odd', 0o4755)
    file('tree/empty', '')
    mkdirSync(path('tree/var/empty'), { recursive: true, mode: 0o700 })
    chmodSync(path('tree/etc/app'), 0o750)
    symlinkSync('tool', path('tree/usr/bin/alias'))
    symlinkSync('/nowhere', path('tree/dangling'))
    const single = file('my.ko', 'module', 0o640)
    const { refusals, bytes, size, entries, overlays } = planned(
      { source: path('tree'), destination: '/' },
      { source: single, destination: '/lib/modules/6.1/extra/' },
      { source: single, destination: '/root/renamed.ko', mode: 0o400 },
      { source: Buffer.from('from memory'), destination: '/etc/installer.conf' },
    )
    expect(refusals).toEqual([])
    expect(bytes().length).toBe(size)
    expect(entries).toBe(15)
    expect(overlays.map(({ destination }) => destination)).toEqual([
      '/',
      '/lib/modules/6.1/extra/my.ko',
      '/root/renamed.ko',
      '/etc/installer.conf',
    ])
    expect(unpacked(bytes(), unpacker)).toEqual({
      ...contents(path('tree')),
      '/etc/installer.conf': '644 from memory',
      '/lib': 'folder 755',
      '/lib/modules': 'folder 755',
      '/lib/modules/6.1': 'folder 755',
      '/lib/modules/6.1/extra': 'folder 755',
      '/lib/modules/6.1/extra/my.ko': '640 module',
      '/root': 'folder 700',
      '/root/renamed.ko': '400 module',
    })
  })
})

describe('where things go', () => {
  test('without a destination, to their own path', () => {
    const { overlays, refusals } = planned({ source: file('etc/own', 'own') })
    expect(refusals).toEqual([])
    expect(overlays).toEqual([{ source: path('etc/own'), destination: path('etc/own') }])
  })

  test('a folder keeps its permissions at its destination, but leaves the root as it is', () => {
    file('secrets/key', 'key', 0o400)
    chmodSync(path('secrets'), 0o700)
    const { bytes } = planned(
      { source: path('secrets'), destination: '/etc/keys/' },
      { source: path('secrets'), destination: '/' },
    )
    const names = execFileSync('cpio', ['-tv', '--quiet'], { input: bytes() }).toString()
    expect(names).toMatch(/^drwx------ .* etc\/keys/m)
    expect(names).toMatch(/^drwxr-xr-x .* etc\/?$/m)
    expect(unpacked(bytes(), gnuCpio)).toMatchObject({ '/key': '400 key', '/etc/keys/key': '400 key' })
  })

  test('what is named later takes the place of what was named before', () => {
    const [first, second] = [file('first', '1'), file('second', '2')]
    const { bytes, entries } = planned({ source: first, destination: '/x' }, { source: second, destination: '/x' })
    expect(entries).toBe(1)
    expect(unpacked(bytes(), gnuCpio)).toEqual({ '/x': '644 2' })
  })

  test('the same files give the same bytes, in whatever order they were made and belong to root', () => {
    file('b/two', '2')
    file('b/one', '1')
    const once = planned({ source: path('b'), destination: '/d' }, { source: Buffer.from('x'), destination: '/a' })
    file('c/one', '1')
    file('c/two', '2')
    const again = planned({ source: Buffer.from('x'), destination: '/a' }, { source: path('c'), destination: '/d' })
    expect(once.bytes().equals(again.bytes())).toBe(true)
    const listing = execFileSync('cpio', ['-tvn', '--quiet'], { input: once.bytes() }).toString().trim().split('\n')
    for (const line of listing) expect(line).toMatch(/ 0 +0 +\d+ Jan +1 +1970 /)
  })

  test('links are not followed, however they lead; the folder that was named is', () => {
    file('tree/file', 'x')
    symlinkSync('..', path('tree/up'))
    symlinkSync(path('tree'), path('link'))
    const { bytes, refusals } = planned({ source: path('link'), destination: '/t' })
    expect(refusals).toEqual([])
    expect(unpacked(bytes(), gnuCpio)).toMatchObject({ '/t/file': '644 x', '/t/up': 'link ..' })
  })

  test('the archive unpacks over a tree with links to folders and files of several names without harm to them', () => {
    // As an initrd with merged /usr, hard-linked by dracut: GNU cpio follows the same system calls as the kernel here.
    const into = mkdtempSync(path('initrd-'))
    mkdirSync(join(into, 'usr/lib'), { recursive: true })
    symlinkSync('usr/lib', join(into, 'lib'))
    const { bytes } = planned({ source: file('m.ko', 'new'), destination: '/lib/m.ko' })
    unpacked(bytes(), gnuCpio, into)
    expect(contents(into)).toMatchObject({ '/lib': 'link usr/lib', '/usr/lib/m.ko': '644 new' })
  })
})

describe('what is refused, by name', () => {
  const refusals = (...overlays: Overlay[]) =>
    planned(...overlays).refusals.map(({ reason, path, summary }) => ({ reason, path, summary }))

  test('FIFOs, sockets and devices, and the rest is told too', async () => {
    file('tree/fine', 'fine')
    execFileSync('mkfifo', [path('tree/fifo')])
    const server = createServer().listen(path('tree/socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    expect(
      refusals({ source: path('tree'), destination: '/' }, { source: '/dev/null' }, { source: '/no/where' }),
    ).toEqual([
      { reason: 'invalid-argument', path: path('tree/fifo'), summary: expect.stringContaining('a FIFO') },
      { reason: 'invalid-argument', path: path('tree/socket'), summary: expect.stringContaining('a socket') },
      { reason: 'invalid-argument', path: '/dev/null', summary: expect.stringContaining('a character device') },
      { reason: 'not-found', path: '/no/where', summary: 'no such file' },
    ])
  })

  test.each([['relative/path'], ['/up/../and/away'], [''], ['/nul\0']])('the destination %j', (destination) => {
    expect(refusals({ source: file('x', 'x'), destination })).toMatchObject([{ reason: 'invalid-argument' }])
  })

  test('bytes without a name, and modes that are none or for folders', () => {
    mkdirSync(path('folder'))
    const bytes = Buffer.from('x')
    expect(refusals({ source: bytes })).toMatchObject([{ reason: 'invalid-argument' }])
    expect(refusals({ source: bytes, destination: '/etc/' })).toMatchObject([{ reason: 'invalid-argument' }])
    expect(refusals({ source: bytes, destination: '/x', mode: 0o10000 })).toMatchObject([
      { reason: 'invalid-argument' },
    ])
    expect(refusals({ source: path('folder'), mode: 0o700 })).toMatchObject([{ reason: 'invalid-argument' }])
  })

  test('a file and a folder at one path, in either order', () => {
    const [source, bytes] = [file('x', 'x'), Buffer.from('x')]
    expect(refusals({ source, destination: '/a' }, { source: bytes, destination: '/a/b' })).toMatchObject([
      { summary: 'the overlay puts both a folder and something else at /a' },
    ])
    expect(refusals({ source, destination: '/a/b' }, { source: bytes, destination: '/a' })).toMatchObject([
      { summary: 'the overlay puts both a folder and something else at /a' },
    ])
  })

  test('a file of 4 GiB, and a path longer than the kernel takes', () => {
    truncateSync(file('huge', ''), 2 ** 32)
    expect(refusals({ source: path('huge') })).toEqual([
      { reason: 'invalid-argument', path: path('huge'), summary: expect.stringContaining('4 GiB') },
    ])
    const long = `/${'x/'.repeat(2048)}x`
    expect(refusals({ source: file('x', 'x'), destination: long })).toMatchObject([{ reason: 'invalid-argument' }])
  })
})

describe('a file that is not what was planned any more is not loaded', () => {
  const change = {
    'written to': (name: string) => appendFileSync(name, 'more'),
    'made shorter': (name: string) => truncateSync(name, 1),
    'another one': (name: string) => {
      writeFileSync(`${name}.new`, 'text')
      renameSync(`${name}.new`, name)
    },
    gone: (name: string) => unlinkSync(name),
    'a FIFO': (name: string) => {
      unlinkSync(name)
      execFileSync('mkfifo', [name])
    },
  }

  test.each(Object.entries(change))('%s', (_what, apply) => {
    const source = file('changing', 'text')
    const { bytes, refusals } = planned({ source, destination: '/x' })
    expect(refusals).toEqual([])
    apply(source)
    expect(bytes).toThrowError(expect.objectContaining({ reason: 'file-changed', path: source, refused: true }))
  })
})
