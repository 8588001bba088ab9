import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { posix } from 'node:path'

const DIRECTORY_MODE = 0o755

export interface FileAttributes {
  /** Permission bits. */
  readonly mode: number
  /** Unchanged when not given. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * Puts a file at a path in one step: any reader sees the old or the new one, even after a power cut. Missing
 * directories on the way are made. @throws Node's error; then nothing was changed
 */
export function replaceFile(path: string, content: Buffer, { mode, owner }: FileAttributes): void {
  putInPlace(path, (fd) => {
    for (let written = 0; written < content.length; ) written += writeSync(fd, content, written)
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid)
    fchmodSync(fd, mode)
    return true
  })
}

/**
 * Makes a file beside a path and puts it there in one step, once `fill` has done with it.
 * @param fill returns false to leave everything unchanged
 * @returns the result of `fill` @throws Node's error; then nothing was changed
 */
export function putInPlace(path: string, fill: (fd: number) => boolean): boolean {
  const beside = besideOf(path)
  try {
    // wx: never through a link that another user has put there.
    const fd = openSync(beside, 'wx', 0o600)
    try {
      if (!fill(fd)) {
        rmSync(beside)
        return false
      }
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(beside, path)
  } catch (error) {
    rmSync(beside, { force: true })
    throw error
  }
  syncDirectory(path)
  return true
}

/** Puts a symbolic link at a path in one step. @throws Node's error; then nothing was changed */
export function replaceLink(path: string, target: string): void {
  const beside = besideOf(path)
  try {
    symlinkSync(target, beside)
    renameSync(beside, path)
  } catch (error) {
    rmSync(beside, { force: true })
    throw error
  }
  syncDirectory(path)
}

/**
 * Removes a file or link, permanently when this returns. @param options.force it may be gone already. @throws Node's
 * error
 */
export function removeFile(path: string, { force = false } = {}): void {
  rmSync(path, { force })
  if (!existsSync(posix.dirname(path))) return
  syncDirectory(path)
}

/** A hidden name that nobody can guess, and that directories of scripts skip. */
function besideOf(path: string): string {
  const directory = posix.dirname(path)
  makeDirectory(directory)
  return posix.join(directory, `.${posix.basename(path)}.${randomBytes(6).toString('hex')}`)
}

/**
 * Makes a directory, and those on the way to it, each with its mode for any umask: with a umask of 0 anyone could write
 * to files that root runs. Existing ones stay unchanged. @throws Node's error
 */
export function makeDirectory(path: string, mode = DIRECTORY_MODE): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = posix.dirname(path)
  if (parent !== path) makeDirectory(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process may have been faster, and sets the mode itself.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && statSync(path).isDirectory()) return
    throw error
  }
  chmodSync(path, mode)
  syncDirectory(path)
}

function syncDirectory(path: string): void {
  const fd = openSync(posix.dirname(path), 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
