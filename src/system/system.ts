import type { Stats } from 'node:fs'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { KexecError } from '../errors.ts'

/** Symbolic links followed before a path counts as a loop: the kernel's own limit (MAXSYMLINKS, include/linux/namei.h). */
const MAX_LINKS = 40

/** Largest file that `readText` takes in, bytes: no configuration or /proc file we read comes near. */
const MAX_TEXT = 16 * 1024 * 1024

/** Never blocks on a FIFO, never makes a terminal ours. */
const READING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** include/uapi/asm-generic/fcntl.h; Node does not name it. */
const O_PATH = 0o10000000

/**
 * A machine as seen through its files: the running one (root '/'), or any folder that holds a root file system.
 * Everything that looks at /boot, /proc, /sys or /usr/lib/modules does so through a System. Paths given and returned are
 * as seen inside the root; symbolic links, absolute ones too, are followed inside it, so nothing outside is ever read.
 */
export class System {
  readonly root: string
  /** Files and folders that `readText` and `list` passed over for lack of privilege. */
  readonly denied = new Set<string>()

  /** @throws KexecError 'not-found' when the root is not a folder */
  constructor(root = '/') {
    this.root = posix.resolve(root)
    if (this.isLive || this.stat('/')?.isDirectory()) return
    throw new KexecError('this is no folder, or one that may not be entered', {
      reason: 'not-found',
      code: 'ENOENT',
      path: this.root,
      hint: '--root takes a folder that holds a root file system or a boot partition.',
      refused: true,
    })
  }

  /** Whether this is the running machine rather than a folder. */
  get isLive(): boolean {
    return this.root === '/'
  }

  /**
   * Follows every symbolic link of `path` inside the root.
   * @returns the path seen inside the root, free of links.
   * @throws Node's ENOENT, ENOTDIR, EACCES or ELOOP.
   */
  resolve(path: string): string {
    const pending = path.split('/').reverse()
    let resolved = '/'
    let links = 0
    while (pending.length > 0) {
      const part = pending.pop() as string
      if (part === '' || part === '.') continue
      if (part === '..') {
        resolved = posix.dirname(resolved)
        continue
      }
      const next = posix.join(resolved, part)
      if (!lstatSync(this.hostPath(next)).isSymbolicLink()) {
        resolved = next
        continue
      }
      if (++links > MAX_LINKS)
        throw Object.assign(new Error(`ELOOP: too many symbolic links, '${path}'`), { code: 'ELOOP' })
      const target = readlinkSync(this.hostPath(next))
      if (target.startsWith('/')) resolved = '/'
      pending.push(...target.split('/').reverse())
    }
    return resolved
  }

  /** Opens a file for reading; the caller closes it. Never blocks on a FIFO and never follows a link out of the root. */
  open(path: string): number {
    if (this.isLive) return openSync(path, READING)
    return openSync(this.hostPath(this.resolve(path)), READING | constants.O_NOFOLLOW)
  }

  /** A descriptor that only says what is at a path (O_PATH): opening a device for reading may already set it to work. */
  openWithoutTouching(path: string): number {
    return openSync(this.isLive ? path : this.hostPath(this.resolve(path)), O_PATH)
  }

  /** The first bytes of a file, at most `length`. @throws Node's error when it cannot be opened or read. */
  readHead(path: string, length: number): Buffer {
    const fd = this.open(path)
    try {
      return readAtMost(fd, length)
    } finally {
      closeSync(fd)
    }
  }

  /** A text file as a whole, or undefined when it is absent, unreadable or not a file. */
  readText(path: string): string | undefined {
    try {
      return this.readHead(path, MAX_TEXT).toString('utf8')
    } catch (error) {
      this.noteDenied(path, error)
      return undefined
    }
  }

  /**
   * The text files of a folder, in code-unit order of their names; undefined for what cannot be read. Where the folder is
   * has to be found out only once, which counts when it holds thousands.
   */
  *readTexts(path: string, isWanted: (name: string) => boolean): Generator<[name: string, text: string | undefined]> {
    const names = this.list(path).filter(isWanted)
    // Joined once: thousands of entries may lie in one folder.
    const host = this.hostPath(names.length === 0 || this.isLive ? path : this.resolve(path))
    for (const name of names) yield [name, this.readTextIn(`${host}/${name}`) ?? this.readText(posix.join(path, name))]
  }

  /** Undefined when it cannot be read, and when it is a link that is to be followed. */
  private readTextIn(hostPath: string): string | undefined {
    try {
      const fd = openSync(hostPath, READING | constants.O_NOFOLLOW)
      try {
        return readAtMost(fd, MAX_TEXT).toString('utf8')
      } finally {
        closeSync(fd)
      }
    } catch {
      return undefined
    }
  }

  /** The names in a folder in code-unit order; empty when it is absent or unreadable. */
  list(path: string): string[] {
    try {
      return readdirSync(this.isLive ? path : this.hostPath(this.resolve(path))).sort()
    } catch (error) {
      this.noteDenied(path, error)
      return []
    }
  }

  /** What a path leads to, links followed; undefined when it leads nowhere. */
  stat(path: string): Stats | undefined {
    try {
      return this.isLive ? statSync(path) : lstatSync(this.hostPath(this.resolve(path)))
    } catch {
      return undefined
    }
  }

  /** What a symbolic link says, or undefined when it is none or may not be read. Links of /proc (exe, ns/pid) lead nowhere else. */
  readLink(path: string): string | undefined {
    try {
      return readlinkSync(this.pathOfName(path))
    } catch {
      return undefined
    }
  }

  /** Whether the name itself is there, even as a link that leads nowhere. */
  exists(path: string): boolean {
    try {
      lstatSync(this.pathOfName(path))
      return true
    } catch {
      return false
    }
  }

  /** The text of a file byte by byte (latin1), so that it can be written back as it was; undefined as for `readText`. */
  readBytes(path: string): string | undefined {
    try {
      return this.readHead(path, MAX_TEXT).toString('latin1')
    } catch (error) {
      this.noteDenied(path, error)
      return undefined
    }
  }

  /**
   * Where on the host to write what is to be at a path inside the root. Links on the way are followed inside the root, the
   * last part is not; folders that are not there yet stay as they are named.
   */
  pathForWriting(path: string): string {
    const missing: string[] = []
    for (let folder = posix.dirname(posix.resolve('/', path)); ; folder = posix.dirname(folder)) {
      try {
        return this.hostPath(posix.join(this.resolve(folder), ...missing, posix.basename(path)))
      } catch (error) {
        // A link that leads nowhere inside the root may lead somewhere outside of it.
        const isDangling = folder !== '/' && this.exists(folder)
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder === '/' || isDangling) throw error
        missing.unshift(posix.basename(folder))
      }
    }
  }

  /** Release of the running kernel as `uname -r` prints it; undefined for a folder that has no /proc. */
  runningRelease(): string | undefined {
    return this.readText('/proc/sys/kernel/osrelease')?.trim()
  }

  /** Command line of the running kernel, without the newline; undefined for a folder that has no /proc. */
  runningCommandLine(): string | undefined {
    return this.readText('/proc/cmdline')?.replace(/\n$/, '')
  }

  /** The host's path of a name whose last part is not followed. */
  private pathOfName(path: string): string {
    return this.isLive ? path : this.hostPath(posix.join(this.resolve(posix.dirname(path)), posix.basename(path)))
  }

  private noteDenied(path: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') this.denied.add(path)
  }

  private hostPath(inside: string): string {
    return join(this.root, inside)
  }
}

/** Reads from the start of a descriptor without moving its offset; returns fewer bytes only at the end of the file. */
export function readAtMost(fd: number, length: number): Buffer {
  // /proc and /sys files report no size, or a page: then the buffer grows as the text comes.
  const size = fstatSync(fd).size
  let buffer = Buffer.allocUnsafe(Math.min(length, size > 0 ? size + 1 : 4096))
  let filled = 0
  for (;;) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, filled)
    filled += count
    // A file of a disk ends where its size says; one more read to be told so is saved.
    if (count === 0 || filled === length || filled === size) return buffer.subarray(0, filled)
    if (filled === buffer.length) buffer = Buffer.concat([buffer], Math.min(length, buffer.length * 2))
  }
}
