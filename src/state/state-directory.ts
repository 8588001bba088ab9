import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  writeSync,
} from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { makeDirectory, putInPlace, removeFile } from '../system/replace-file.ts'
import { readAtMost, type System } from '../system/system.ts'

/** Where facts about the running boot lie. They vanish with it, like all of /run. */
export const STATE_DIRECTORY = '/run/linux-kexec'

/** Larger than any file of ours, bytes. */
const MAX_FILE = 1024 * 1024

const OTHERS_WRITE = 0o022
const OTHERS_ANYTHING = 0o077

/** The result of reading a name: its text, nothing, or a file that must not be trusted, and why. */
export type Found = { readonly text: string } | { readonly absent: true } | { readonly problem: string }

/**
 * A directory of our records. Files that do not belong to root or to us alone are not trusted: a record decides which
 * kernel `reboot` starts.
 */
export class StateDirectory {
  readonly path: string

  /** @param path as seen inside the system's root */
  constructor(system: System, path = STATE_DIRECTORY) {
    this.path = pathInside(system, path)
  }

  /** Never throws, and follows no link. */
  read(name: string): Found {
    const path = join(this.path, name)
    let fd: number | undefined
    try {
      const directoryProblem = this.#directoryProblem()
      if (directoryProblem !== undefined) return { problem: directoryProblem }
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      const stats = fstatSync(fd)
      if (!stats.isFile()) return { problem: `${path} is not a regular file` }
      if (!isOwn(stats.uid)) return { problem: `${path} belongs to user ${stats.uid}` }
      if ((stats.mode & OTHERS_ANYTHING) !== 0)
        return { problem: `${path} is accessible to users other than its owner` }
      if (stats.size > MAX_FILE) return { problem: `${path} is larger than any record` }
      return { text: readAtMost(fd, MAX_FILE).toString('utf8') }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return { absent: true }
      return { problem: code === 'ELOOP' ? `${path} is a symbolic link` : `${path} cannot be read (${code})` }
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  /** The path of one of its files. */
  pathOf(name: string): string {
    return join(this.path, name)
  }

  /** Opens a permanent file, and creates it where it is missing. @throws as `write` */
  open(name: string): number {
    this.make()
    const fd = openSync(this.pathOf(name), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    const stats = fstatSync(fd)
    if (stats.isFile() && isOwn(stats.uid)) return fd
    closeSync(fd)
    throw new Error(`${this.pathOf(name)} is not a file of linux-kexec`)
  }

  /**
   * Writes a file whole or not at all; others see the old one or the new one, even after a power cut.
   * @param before called when the new file lies on the disk, right before it takes its place: if it throws, the old
   * file stays
   * @throws Node's error, or one that names the directory's fault, or the error of `before`
   */
  write(name: string, text: string, before?: () => void): void {
    this.make()
    const content = Buffer.from(text)
    putInPlace(this.pathOf(name), (fd) => {
      for (let written = 0; written < content.length; ) written += writeSync(fd, content, written)
      fchmodSync(fd, 0o600)
      if (before === undefined) return true
      fsyncSync(fd)
      before()
      return true
    })
  }

  /** Removes a file; a missing one is not a failure. @throws Node's error */
  remove(name: string): void {
    removeFile(join(this.path, name), { force: true })
  }

  /** Makes the directory where it is missing. @throws Node's error, or one that names the directory's fault */
  make(): void {
    makeDirectory(dirname(this.path))
    makeDirectory(this.path, 0o700)
    const directoryProblem = this.#directoryProblem()
    if (directoryProblem !== undefined) throw new Error(directoryProblem)
    if ((lstatSync(this.path).mode & OTHERS_ANYTHING) !== 0) chmodSync(this.path, 0o700)
  }

  #directoryProblem(): string | undefined {
    const stats = lstatSync(this.path)
    if (!stats.isDirectory()) return `${this.path} is not a directory`
    if (!isOwn(stats.uid)) return `${this.path} belongs to user ${stats.uid}`
    if ((stats.mode & OTHERS_WRITE) !== 0) return `users other than its owner may write in ${this.path}`
    return undefined
  }
}

/** Links on the way are followed inside the root: a /run that is a link must not lead to the records of this machine. */
function pathInside(system: System, path: string): string {
  try {
    return system.isLive ? path : system.pathForWriting(path)
  } catch {
    // Links in circles, or a file in place of /run: nothing can exist there, and reading says so.
    return posix.join(system.root, path, 'unreachable')
  }
}

/** Owned by root, or by this user. */
export function isOwn(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.()
}
