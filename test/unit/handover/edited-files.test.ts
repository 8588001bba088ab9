import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { installHandover, removeHandover } from '../../../src/handover/install.ts'
import { native } from '../../../src/native.ts'
import { installServices, removeServices } from '../../../src/services/install.ts'
import { editFile } from '../../../src/system/edit-file.ts'
import { System } from '../../../src/system/system.ts'
import { installed, machine } from './machine.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function file(text: string): string {
  directories.push(mkdtempSync(join(tmpdir(), 'linux-kexec-edit-')))
  const path = join(directories.at(-1) as string, 'inittab')
  writeFileSync(path, text)
  return path
}

/** What getfattr would say of one attribute: the value, or a negative number. */
function attribute(path: string, name: string, value?: string): string | number {
  const fd = openSync(path, 'r+')
  try {
    if (value !== undefined) return native().setAttribute(fd, name, Buffer.from(value, 'latin1'))
    return native().getAttribute(fd, name)
  } finally {
    closeSync(fd)
  }
}

/** posix_acl_xattr.h: version 2, then tag, permissions, id: the owner rw, user 1234 r, the group r, the mask r, others none. */
const acl = Buffer.from(
  '02000000' + '01000600ffffffff' + '02000400d2040000' + '04000400ffffffff' + '10000400ffffffff' + '20000000ffffffff',
  'hex',
).toString('latin1')

test('an edited file keeps mode, owner, attributes and access control list, and is replaced in one step', () => {
  const path = file('one\n')
  chmodSync(path, 0o640)
  const names: Record<string, string> = { 'user.note': 'mine', 'system.posix_acl_access': acl }
  const kept = Object.entries(names).filter(([name, value]) => attribute(path, name, value) === 0)
  // A file system without any would prove nothing; tmpfs and ext4 have at least one.
  expect(kept.length).toBeGreaterThan(0)
  const { ino, mode, uid, gid } = statSync(path)
  editFile(path, Buffer.from('two\n'))
  expect(readFileSync(path, 'utf8')).toBe('two\n')
  expect(statSync(path)).toMatchObject({ mode, uid, gid })
  expect(statSync(path).ino).not.toBe(ino)
  for (const [name, value] of kept) expect(attribute(path, name), name).toBe(value)
  expect(readdirSync(join(path, '..'))).toEqual(['inittab'])
})

test('a file with a second hard link stays one file; shorter or longer, nothing is left beside it', () => {
  const path = file('one\n')
  const other = `${path}.link`
  linkSync(path, other)
  for (const text of ['a much longer text than the one before\n', 'x\n', '']) {
    editFile(path, Buffer.from(text))
    expect(readFileSync(other, 'utf8')).toBe(text)
  }
  expect(statSync(path).nlink).toBe(2)
  expect(readdirSync(join(path, '..')).sort()).toEqual(['inittab', 'inittab.link'])
})

test('where new files get a list that this one does not have, it is written over', () => {
  const path = file('one\n')
  const fd = openSync(join(path, '..'), 'r')
  const errno = native().setAttribute(fd, 'system.posix_acl_default', Buffer.from(acl, 'latin1'))
  closeSync(fd)
  expect(errno, 'this test needs a file system with access control lists').toBe(0)
  const { ino, mode } = statSync(path)
  editFile(path, Buffer.from('two\n'))
  expect(statSync(path)).toMatchObject({ ino, mode })
})

/** Every file, link and directory. */
const everything = (root: string) => readdirSync(root, { recursive: true }).map(String).sort()

const sysvinit = {
  ...installed,
  '/proc/1/comm': 'init\n',
  '/etc/inittab': 'l6:6:wait:/etc/init.d/rc 6\n',
  '/etc/init.d/rc': '/etc/init.d/reboot stop\n',
  '/etc/init.d/reboot': '. /etc/default/halt\n',
  '/etc/default/halt': 'HALT=poweroff\n',
}

test('what was placed leaves no directory behind, and takes none away that was there', () => {
  for (const files of [sysvinit, { ...sysvinit, '/etc/linux-kexec': null, '/etc/systemd/system': null }]) {
    const system = machine(files)
    const before = everything(system.root)
    installHandover({ system })
    installServices({ system, kind: 'systemd', enable: ['boot'] })
    installServices({ system, kind: 'openrc', enable: ['boot', 'crash'] })
    expect(everything(system.root).length).toBeGreaterThan(before.length)
    // In either order, and one does not take away what the other still needs.
    removeServices({ system, kind: 'systemd' })
    expect(readFileSync(join(system.root, 'etc/linux-kexec/start-kernel'), 'utf8')).toContain('#!/bin/sh')
    removeHandover({ system })
    removeServices({ system })
    expect(everything(system.root)).toEqual(before)
  }
})

test('a directory in which someone else has put something stays', () => {
  const system = machine(sysvinit)
  installServices({ system, kind: 'systemd', enable: ['boot'] })
  const wants = join(system.root, 'etc/systemd/system/multi-user.target.wants')
  writeFileSync(join(wants, 'other.service'), '')
  removeServices({ system })
  expect(readdirSync(wants)).toEqual(['other.service'])
  rmSync(join(wants, 'other.service'))
  installHandover({ system })
  removeHandover({ system })
  expect(everything(join(system.root, 'etc')), 'and goes with the next removal').not.toContain('systemd')
})

test('whatever the umask is, what root runs can be changed by root alone', () => {
  const root = mkdtempSync(join(tmpdir(), 'linux-kexec-umask-'))
  directories.push(root)
  for (const [path, text] of Object.entries(installed)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    if (!text?.startsWith('->')) writeFileSync(join(root, path), text ?? '')
  }
  writeFileSync(join(root, 'usr/bin/linux-kexec'), '')
  const system = new System(root)
  const old = process.umask(0)
  try {
    installServices({ system, kind: 'sysvinit', enable: ['crash'] })
  } finally {
    process.umask(old)
  }
  for (const name of readdirSync(join(root, 'etc'), { recursive: true }).map(String))
    expect(statSync(join(root, 'etc', name), { throwIfNoEntry: false })?.mode ?? 0, name).toSatisfy(
      (mode: number) => (mode & 0o022) === 0,
    )
})
