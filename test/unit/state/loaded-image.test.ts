import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { fileBytes } from '../../../src/bytes/bytes.ts'
import { identify } from '../../../src/state/file-identity.ts'
import { loadedImages } from '../../../src/state/loaded-image.ts'
import type { LoadRecord } from '../../../src/state/record.ts'
import { writeRecord } from '../../../src/state/remember.ts'
import { StateDirectory } from '../../../src/state/state-directory.ts'
import { System } from '../../../src/system/system.ts'
import { localTime } from '../../../src/text.ts'

const BOOT = '3b5f6c1e-6f0c-4d8e-9a53-0f3c5d0a9b11'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

/** A machine on which a kernel is loaded, with these files beside. */
function machine(files: Record<string, string> = {}): System {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-state-'))
  roots.push(root)
  const all = {
    '/sys/kernel/kexec_loaded': '1\n',
    '/proc/sys/kernel/random/boot_id': `${BOOT}\n`,
    '/run/x': '',
    ...files,
  }
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return new System(root)
}

function identityOf(system: System, path: string) {
  const stats = system.stat(path)
  if (stats === undefined) throw new Error(`${path} is not there`)
  return identify(path, fileBytes(system.open(path), stats.size), stats)
}

/** The record that a load of these files leaves. */
function record(system: System, changes: Partial<LoadRecord> = {}): LoadRecord {
  return {
    schemaVersion: 1,
    kind: 'kernel',
    bootId: BOOT,
    loadedAt: '2026-11-21T13:00:00.000Z',
    by: { uid: 0, loginUid: 1000, sudoUser: 'tester', pid: 77, program: '/usr/bin/linux-kexec' },
    packageVersion: '0.1.0',
    version: '6.12.1',
    kernel: identityOf(system, '/boot/vmlinuz'),
    initrds: [identityOf(system, '/boot/initrd.img')],
    others: [],
    overlay: [],
    commandLine: 'root=/dev/vda1',
    engine: 'file',
    flags: 0,
    origin: { selector: 'newest', entry: 'debian', title: 'Debian', source: 'bls' },
    fingerprint: null,
    fingerprintProblem: '/proc/kcore cannot be read (EPERM)',
    ...changes,
  }
}

const files = { '/boot/vmlinuz': 'kernel'.repeat(50_000), '/boot/initrd.img': 'initrd'.repeat(50_000) }

/** A machine on which we have loaded these files, and what is known of that. */
function loadedMachine(changes: Partial<LoadRecord> = {}) {
  const system = machine(files)
  const directory = new StateDirectory(system)
  writeRecord(directory, record(system, changes))
  const path = join(directory.path, 'loaded.json')
  return { system, directory, path, host: (inside: string) => join(system.root, inside) }
}

test('a load leaves a record that only root can read, and no unfinished file beside it', () => {
  const { system, directory, path } = loadedMachine()
  expect(lstatSync(directory.path).mode & 0o777).toBe(0o700)
  expect(lstatSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory.path)).toEqual(['loaded.json'])
  const { kernel, crash } = loadedImages({ system })
  expect(crash).toMatchObject({ state: 'none', record: null })
  expect(kernel).toMatchObject({ state: 'unconfirmed', stale: [], warnings: [] })
  expect(kernel.record).toMatchObject({ version: '6.12.1', by: { sudoUser: 'tester' }, origin: { selector: 'newest' } })
  expect(kernel.evidence[0]?.value).toContain('/proc/kcore cannot be read (EPERM)')
})

test('nothing loaded is nothing loaded, whatever a record says; a record of another boot is none', () => {
  const { system, host } = loadedMachine()
  writeFileSync(host('/sys/kernel/kexec_loaded'), '0\n')
  expect(loadedImages({ system }).kernel).toMatchObject({ state: 'none', record: null })
  writeFileSync(host('/sys/kernel/kexec_loaded'), '1\n')
  writeFileSync(host('/proc/sys/kernel/random/boot_id'), 'another\n')
  expect(loadedImages({ system }).kernel).toMatchObject({ state: 'foreign', record: null })
})

test('a file that has changed since is named, with what became of it', () => {
  const system = machine(files)
  const host = (inside: string) => join(system.root, inside)
  const stale = () => loadedImages({ system }).kernel.stale
  const [kernel, initrd] = [host('/boot/vmlinuz'), host('/boot/initrd.img')]
  utimesSync(initrd, 1_000_000, 1_000_000)
  writeRecord(new StateDirectory(system), record(system))

  // What leaves the bytes alone is no change: another mode, a copy in its place with the same time.
  chmodSync(kernel, 0o600)
  writeFileSync(`${initrd}.copy`, readFileSync(initrd))
  utimesSync(`${initrd}.copy`, 1_000_000, 1_000_000)
  renameSync(`${initrd}.copy`, initrd)
  expect(stale()).toEqual([])

  rmSync(initrd)
  expect(stale()).toContainEqual({ path: '/boot/initrd.img', change: 'is gone' })
  mkdirSync(initrd)
  expect(stale()).toContainEqual({ path: '/boot/initrd.img', change: 'is no longer a regular file' })
  utimesSync(kernel, 1000, 1000)
  expect(stale()).toContainEqual({ path: '/boot/vmlinuz', change: `was written at ${localTime(new Date(1_000_000))}` })
  truncateSync(kernel, 1000)
  expect(stale()).toContainEqual({ path: '/boot/vmlinuz', change: 'has 1000 bytes instead of 300000' })
})

test('another file with the size and the time of the loaded one is found by its head or its tail', () => {
  const system = machine(files)
  const kernel = join(system.root, '/boot/vmlinuz')
  utimesSync(kernel, 1_000_000, 1_000_000)
  writeRecord(new StateDirectory(system), record(system))
  for (const offset of [10, 299_990]) {
    const bytes = Buffer.from(files['/boot/vmlinuz'])
    bytes[offset] = 0
    writeFileSync(kernel, bytes)
    utimesSync(kernel, 1_000_000, 1_000_000)
    expect(loadedImages({ system }).kernel.stale).toEqual([
      { path: '/boot/vmlinuz', change: 'was replaced by another file of the same size and time' },
    ])
  }
})

test('what came from memory cannot go stale', () => {
  const system = machine(files)
  const bytes = identify('(bytes)', fileBytes(system.open('/boot/vmlinuz'), 300_000), null)
  writeRecord(new StateDirectory(system), record(system, { kernel: bytes, initrds: [] }))
  rmSync(join(system.root, '/boot/vmlinuz'))
  expect(loadedImages({ system }).kernel).toMatchObject({ state: 'unconfirmed', stale: [] })
})

test('a record that someone else may have written is not trusted, and the warning says why', () => {
  const distrust: [(machine: ReturnType<typeof loadedMachine>) => void, string][] = [
    [({ path }) => chmodSync(path, 0o644), 'accessible to users other than its owner'],
    [({ directory }) => chmodSync(directory.path, 0o777), 'users other than its owner may write in'],
    [
      ({ path, host }) => {
        renameSync(path, host('/elsewhere'))
        symlinkSync(host('/elsewhere'), path)
      },
      'is a symbolic link',
    ],
    [
      ({ path }) => {
        rmSync(path)
        mkdirSync(path)
      },
      'is not a regular file',
    ],
    [({ path }) => writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, ' ')), 'larger than any record'],
  ]
  for (const [tamper, why] of distrust) {
    const tampered = loadedMachine()
    tamper(tampered)
    const { kernel } = loadedImages({ system: tampered.system })
    expect(kernel).toMatchObject({ state: 'unknown', record: null })
    expect(kernel.warnings).toEqual([{ code: 'record-not-trusted', text: expect.stringContaining(why) }])
  }
})

test.runIf(process.getuid?.() === 0)('nor is one that belongs to another user', async () => {
  const { chownSync } = await import('node:fs')
  const { system, path } = loadedMachine()
  chownSync(path, 1000, 1000)
  expect(loadedImages({ system }).kernel.warnings[0]?.text).toContain('belongs to user 1000')
})

test('no bytes in the place of a record do harm: torn, hostile, from the future', () => {
  const { system, path } = loadedMachine()
  const whole = readFileSync(path, 'utf8')
  const parsed = JSON.parse(whole)
  const hostile = [
    '',
    'null',
    '[]',
    '"text"',
    '{"__proto__":{"schemaVersion":1}}',
    '['.repeat(100_000),
    JSON.stringify({ ...parsed, schemaVersion: 2 }),
    JSON.stringify({ ...parsed, kind: 'crash' }),
    JSON.stringify({ ...parsed, kernel: null }),
    JSON.stringify({ ...parsed, initrds: {} }),
    JSON.stringify({ ...parsed, initrds: [{ path: 7 }] }),
    JSON.stringify({ ...parsed, by: [] }),
    JSON.stringify({ ...parsed, loadedAt: 'yesterday' }),
    JSON.stringify({ ...parsed, fingerprint: 7 }),
    Buffer.from([0xff, 0xfe, 0x00]),
  ]
  for (let length = 0; length < whole.length - 2; length += 97) hostile.push(whole.slice(0, length))
  for (const bytes of hostile) {
    writeFileSync(path, bytes)
    const { kernel } = loadedImages({ system })
    expect(kernel).toMatchObject({ state: 'unknown', record: null })
    expect(kernel.warnings[0]).toMatchObject({
      code: 'record-not-trusted',
      text: expect.stringContaining('is not trusted'),
    })
  }
})

test('--verify hashes the files that are unchanged only where the image is surely ours', () => {
  const { system, path } = loadedMachine({ fingerprint: 'aa', fingerprintProblem: null })
  const { kernel } = loadedImages({ system, verify: true })
  // The memory of a machine that is only a directory cannot be read.
  expect(kernel.state).toBe('unconfirmed')
  expect(kernel.record?.kernel.sha256).toBeNull()
  expect(existsSync(path)).toBe(true)
})

test('a directory of another kind in the place of ours is never written into', () => {
  const system = machine(files)
  writeFileSync(join(system.root, '/run/linux-kexec'), '')
  expect(() => writeRecord(new StateDirectory(system), record(system))).toThrow()
  rmSync(join(system.root, '/run/linux-kexec'))
  mkdirSync(join(system.root, '/elsewhere'))
  symlinkSync(join(system.root, '/elsewhere'), join(system.root, '/run/linux-kexec'))
  expect(() => writeRecord(new StateDirectory(system), record(system))).toThrow('is not a directory')
  expect(readdirSync(join(system.root, '/elsewhere'))).toEqual([])
})

test('docs/json.md has every field of a loaded image and of a record', () => {
  const page = readFileSync('docs/json.md', 'utf8')
  const documented = (section: string) => {
    const text = page.split(/^## /m).find((each) => each.startsWith(`${section}\n`)) ?? ''
    return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1])
  }
  const { system } = loadedMachine()
  rmSync(join(system.root, '/boot/vmlinuz'))
  const { kernel } = loadedImages({ system })
  const lists = ['stale', 'evidence', 'warnings', 'initrds', 'others', 'overlay']
  const fields = (value: object, objects: readonly string[]): string[] =>
    Object.entries(value).flatMap(([name, inner]) => {
      const inside = Array.isArray(inner) ? inner[0] : inner
      const list = lists.includes(name) ? '[]' : ''
      if (typeof inside !== 'object' || inside === null || objects.includes(name)) return [`${name}${list}`]
      return Object.keys(inside).map((field) => `${name}${list}.${field}`)
    })
  expect(fields(kernel, ['record']).sort()).toEqual(documented('loaded image').sort())
  const expected = documented('record').filter((field) => field !== 'initrds[]')
  expect(fields(kernel.record ?? {}, ['kernel']).sort()).toEqual(expected.sort())
})

test.each([
  ['to the top', '/run', undefined],
  ['out of the root by its full name', undefined, undefined],
  ['to a directory inside', '/elsewhere', '/elsewhere'],
])('a /run that is a link %s is followed inside the root alone', (_name, target, inside) => {
  const system = machine({ '/boot/vmlinuz': 'kernel', '/boot/initrd.img': 'initrd' })
  const outside = machine()
  writeRecord(new StateDirectory(outside), record(system))
  rmSync(join(system.root, 'run'), { recursive: true })
  if (inside !== undefined) mkdirSync(join(system.root, inside))
  symlinkSync(target ?? join(outside.root, 'run'), join(system.root, 'run'))
  const directory = new StateDirectory(system)
  expect(directory.path.startsWith(system.root)).toBe(true)
  if (inside !== undefined) writeRecord(directory, record(system))
  expect(loadedImages({ system }).kernel.record === null).toBe(inside === undefined)
})
