import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  type Stats,
  writeSync,
} from 'node:fs'
import { posix } from 'node:path'
import { native } from '../native.ts'
import { putInPlace, removeFile, replaceFile } from './replace-file.ts'

/** The kernel makes these again from the content of the file: IMA's hash and EVM's. */
const OWN_OF_CONTENT = new Set(['security.ima', 'security.evm'])

/**
 * Puts other content into a foreign file, which stays the same in all other respects: owner, mode, extended attributes,
 * access control lists, hard links. In one step where possible. Where a new file could not be the same, as with a
 * second hard link, the file is overwritten, with its old content beside it as `.NAME.linux-kexec-old` until that is
 * done.
 * @throws Node's error; the old content is then still there
 */
export function editFile(path: string, content: Buffer): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    const stats = fstatSync(fd)
    if (stats.nlink === 1 && replaceAlike(path, content, fd, stats)) return
    writeOver(path, content, fd)
  } finally {
    closeSync(fd)
  }
}

/** @returns false when the new file could not be made like the old one: nothing was changed then */
function replaceAlike(path: string, content: Buffer, old: number, stats: Stats): boolean {
  return putInPlace(path, (fd) => {
    writeAll(fd, content)
    fchownSync(fd, stats.uid, stats.gid)
    fchmodSync(fd, stats.mode & 0o7777)
    return copyAttributes(old, fd)
  })
}

/** @returns whether both files have the same now */
function copyAttributes(from: number, to: number): boolean {
  const names = attributesOf(from)
  const isSet = names?.every((name) => {
    const value = native().getAttribute(from, name)
    if (typeof value === 'number') return false
    return (
      native().getAttribute(to, name) === value || native().setAttribute(to, name, Buffer.from(value, 'latin1')) === 0
    )
  })
  // A directory may have a default access control list for new files.
  return isSet === true && attributesOf(to)?.every((name) => names?.includes(name)) === true
}

/** Undefined when they cannot be read. */
function attributesOf(fd: number): string[] | undefined {
  const names = native().listAttributes(fd)
  // EOPNOTSUPP: a file system without any.
  if (typeof names === 'number') return names === -95 ? [] : undefined
  return names.split('\0').filter((name) => name !== '' && !OWN_OF_CONTENT.has(name))
}

function writeOver(path: string, content: Buffer, fd: number): void {
  const backup = posix.join(posix.dirname(path), `.${posix.basename(path)}.linux-kexec-old`)
  const before = readFileSync(fd)
  replaceFile(backup, before, { mode: 0o600 })
  try {
    writeAll(fd, content)
    ftruncateSync(fd, content.length)
    fsyncSync(fd)
  } catch (error) {
    writeAll(fd, before)
    ftruncateSync(fd, before.length)
    throw error
  }
  removeFile(backup)
}

function writeAll(fd: number, content: Buffer): void {
  for (let written = 0; written < content.length; )
    written += writeSync(fd, content, written, content.length - written, written)
}
