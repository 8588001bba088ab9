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
import { pathOf, textOfBytes } from '../exact-text.ts'
import { optionName } from '../option-name.ts'

/** Symbolic links followed before a path counts as a loop: the kernel's own limit (MAXSYMLINKS, include/linux/namei.h). */
const MAX_LINKS = 40

/**
 * Longest path, in characters (PATH_MAX), and most parts of one including those of its links: the kernel limits only
 * the former.
 */
const MAX_PATH = 4096
const MAX_PARTS = 1000

/** Largest file that `readText` reads, in bytes: no configuration or /proc file comes near. */
const MAX_TEXT = 16 * 1024 * 1024

/** Never blocks on a FIFO, never makes a terminal ours. */
const READING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** include/uapi/asm-generic/fcntl.h; Node does not name it. */
const O_PATH = 0o10000000

/** The number of /dev/null, 1:3 (Documentation/admin-guide/devices.txt): a link to it stands for an empty file. */
const NULL_DEVICE = 0x103

/** A file was expected, and something else is there; it was not opened. */
export class NotAFile extends Error {
  /** Named as in `fileType`. */
  readonly kind: string
  readonly stats: Stats

  constructor(path: string, stats: Stats) {
    const kind = fileType(stats)
    super(`${path} is a ${kind}, not a file`)
    this.kind = kind
    this.stats = stats
  }
}

/** What a name stands for. */
export type FileType = 'directory' | 'FIFO' | 'block device' | 'character device' | 'socket' | 'symbolic link' | 'file'

export function fileType(stats: Stats): FileType {
  if (stats.isDirectory()) return 'directory'
  if (stats.isFIFO()) return 'FIFO'
  if (stats.isBlockDevice()) return 'block device'
  if (stats.isCharacterDevice()) return 'character device'
  if (stats.isSocket()) return 'socket'
  if (stats.isSymbolicLink()) return 'symbolic link'
  return 'file'
}

/**
 * A machine as seen through its files: the running one (root '/'), or any directory that holds a root file system. All
 * reads of /boot, /proc, /sys or /usr/lib/modules go through a System. Paths given and returned are as seen inside the
 * root; symbolic links, absolute ones too, are followed inside it, so nothing outside is ever read.
 */
export class System {
  readonly root: string
  /** Files and directories that `readText` and `list` skipped for lack of privilege. */
  readonly denied = new Set<string>()
  /** FIFOs, sockets and devices in place of texts, which were not opened: path and kind. */
  readonly unopened = new Map<string, string>()
  /** Parts of paths followed so far: the cost of links. */
  looks = 0

  /**
   * @throws KexecError 'not-found' when the root is not a directory
   */
  constructor(root = '/') {
    this.root = posix.resolve(root)
    if (this.isLive || this.stat('/')?.isDirectory()) return
    throw new KexecError('this is not a directory, or it may not be entered', {
      reason: 'not-found',
      code: 'ENOENT',
      path: this.root,
      hint: `${optionName('root')} takes a directory that holds a root file system or a boot partition.`,
      refused: true,
    })
  }

  /** Whether this is the running machine rather than a directory. */
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
    let parts = 0
    if (path.length > MAX_PATH) throw tooLong(path)
    while (pending.length > 0) {
      const part = pending.pop() as string
      if (part === '' || part === '.') continue
      if (part === '..') {
        resolved = posix.dirname(resolved)
        continue
      }
      const next = posix.join(resolved, part)
      if (++parts > MAX_PARTS) throw tooLong(path)
      this.looks++
      if (!lstatSync(this.hostPath(next)).isSymbolicLink()) {
        resolved = next
        continue
      }
      if (++links > MAX_LINKS)
        throw Object.assign(new Error(`ELOOP: too many symbolic links, '${path}'`), { code: 'ELOOP' })
      const target = textOfBytes(readlinkSync(this.hostPath(next), 'buffer'))
      if (target.startsWith('/')) resolved = '/'
      pending.push(...target.split('/').reverse())
    }
    return resolved
  }

  /**
   * Opens a regular file for reading; the caller closes it. Never follows a link out of the root, and opens nothing
   * else: opening a device may set it to work, as with a watchdog that resets the machine.
   * @throws NotAFile, and Node's errors
   */
  open(path: string): number {
    return this.isLive
      ? openRegular(pathOf(path), 0)
      : openRegular(this.hostPath(this.resolve(path)), constants.O_NOFOLLOW)
  }

  /**
   * A descriptor that only identifies a path's target (O_PATH): opening a device for reading may already set it to
   * work.
   */
  openWithoutTouching(path: string): number {
    return openSync(this.isLive ? pathOf(path) : this.hostPath(this.resolve(path)), O_PATH)
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

  /**
   * A text file as a whole, or undefined when it is absent, unreadable or not a file. /dev/null is an empty file. Bytes
   * that are not UTF-8 are kept as in `textOfBytes`.
   */
  readText(path: string): string | undefined {
    const bytes = this.textBytes(path)
    return bytes && textOfBytes(bytes)
  }

  /**
   * The text files of a directory, in code-unit order of their names; undefined for unreadable ones. The directory is
   * resolved only once, which matters when it holds thousands.
   */
  *readTexts(path: string, isWanted: (name: string) => boolean): Generator<[name: string, text: string | undefined]> {
    const names = this.list(path).filter(isWanted)
    // Joined once: thousands of entries may lie in one directory.
    const directory = names.length === 0 || this.isLive ? path : this.resolve(path)
    for (const name of names)
      yield [name, this.readTextIn(`${directory}/${name}`) ?? this.readText(posix.join(path, name))]
  }

  /** Undefined when it cannot be read, and when it is a link to follow. */
  private readTextIn(path: string): string | undefined {
    try {
      const fd = openRegular(this.hostPath(path), constants.O_NOFOLLOW)
      try {
        return textOfBytes(readAtMost(fd, MAX_TEXT))
      } finally {
        closeSync(fd)
      }
    } catch {
      return undefined
    }
  }

  /** The names in a directory in code-unit order; empty when it is absent or unreadable. */
  list(path: string): string[] {
    try {
      return namesIn(this.isLive ? pathOf(path) : this.hostPath(this.resolve(path))).sort()
    } catch (error) {
      this.noteDenied(path, error)
      return []
    }
  }

  /** A path's target, links followed; undefined when there is none. */
  stat(path: string): Stats | undefined {
    try {
      return this.isLive ? statSync(pathOf(path)) : lstatSync(this.hostPath(this.resolve(path)))
    } catch {
      return undefined
    }
  }

  /** Whether there is a regular file; a device or a FIFO in its place is recorded as not opened. */
  isFile(path: string): boolean {
    const stats = this.stat(path)
    if (stats !== undefined) this.noteUnopened(path, stats)
    return stats?.isFile() ?? false
  }

  /**
   * The text of a symbolic link, or undefined when it is not one or may not be read. Links of /proc (exe, ns/pid) have
   * no other target.
   */
  readLink(path: string): string | undefined {
    try {
      return textOfBytes(readlinkSync(this.pathOfName(path), 'buffer'))
    } catch {
      return undefined
    }
  }

  /** Whether the name itself exists, even as a link without a target. */
  exists(path: string): boolean {
    try {
      lstatSync(this.pathOfName(path))
      return true
    } catch {
      return false
    }
  }

  /**
   * The text of a file byte by byte (latin1), so that it can be written back unchanged; undefined as for `readText`.
   */
  readBytes(path: string): string | undefined {
    return this.textBytes(path)?.toString('latin1')
  }

  private textBytes(path: string): Buffer | undefined {
    try {
      return this.readHead(path, MAX_TEXT)
    } catch (error) {
      if (error instanceof NotAFile && isNullDevice(error.stats)) return Buffer.alloc(0)
      if (error instanceof NotAFile) this.noteUnopened(path, error.stats)
      this.noteDenied(path, error)
      return undefined
    }
  }

  /**
   * The host's path for writing a path inside the root. Links on the way are followed inside the root, the last part is
   * not; missing directories keep their names.
   */
  pathForWriting(path: string): string {
    const missing: string[] = []
    for (let directory = posix.dirname(posix.resolve('/', path)); ; directory = posix.dirname(directory)) {
      try {
        return join(this.root, this.resolve(directory), ...missing, posix.basename(path))
      } catch (error) {
        // A link without a target inside the root may have one outside of it.
        const isDangling = directory !== '/' && this.exists(directory)
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || directory === '/' || isDangling) throw error
        missing.unshift(posix.basename(directory))
      }
    }
  }

  /** Release of the running kernel as `uname -r` prints it; undefined for a directory without a /proc. */
  runningRelease(): string | undefined {
    return this.readText('/proc/sys/kernel/osrelease')?.trim()
  }

  /** Command line of the running kernel, without the newline; undefined for a directory without a /proc. */
  runningCommandLine(): string | undefined {
    return this.readText('/proc/cmdline')?.replace(/\n$/, '')
  }

  /** The host's path of a name whose last part is not followed. */
  private pathOfName(path: string): string | Buffer {
    return this.isLive
      ? pathOf(path)
      : this.hostPath(posix.join(this.resolve(posix.dirname(path)), posix.basename(path)))
  }

  private noteDenied(path: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') this.denied.add(path)
  }

  private noteUnopened(path: string, stats: Stats): void {
    if (!stats.isFile() && !stats.isDirectory() && !isNullDevice(stats)) this.unopened.set(path, fileType(stats))
  }

  private hostPath(inside: string): string | Buffer {
    return pathOf(join(this.root, inside))
  }
}

/** The names in a directory. Names that are not UTF-8 are rare: then they are read again, as bytes. */
function namesIn(directory: string | Buffer): string[] {
  const names = readdirSync(directory)
  return names.some((name) => name.includes('\ufffd')) ? readdirSync(directory, 'buffer').map(textOfBytes) : names
}

function tooLong(path: string): Error {
  return Object.assign(new Error(`ENAMETOOLONG: name too long, '${path.slice(0, 100)}…'`), { code: 'ENAMETOOLONG' })
}

function isNullDevice(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === NULL_DEVICE
}

/** Identifies the target before it is opened, so that nothing else can take its place in between. @throws NotAFile */
function openRegular(hostPath: string | Buffer, flags: number): number {
  const place = openSync(hostPath, O_PATH | flags)
  try {
    const stats = fstatSync(place)
    if (!stats.isFile()) throw new NotAFile(String(hostPath), stats)
    try {
      return openSync(`/proc/self/fd/${place}`, READING)
    } catch (error) {
      // Without /proc, a file that replaces another in this very moment is detected only once it is open.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw atPath(error, String(hostPath))
      return reopened(hostPath, flags, stats)
    }
  } finally {
    closeSync(place)
  }
}

function reopened(hostPath: string | Buffer, flags: number, { dev, ino }: Stats): number {
  const fd = openSync(hostPath, READING | flags)
  const now = fstatSync(fd)
  if (now.isFile() && now.dev === dev && now.ino === ino) return fd
  closeSync(fd)
  throw new NotAFile(String(hostPath), now)
}

/** Turns an error about a descriptor's link into one about the file. */
function atPath(error: unknown, path: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  return Object.assign(error as Error, { path, message: `${code}: ${syscall} '${path}'` })
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
    // A disk's file ends at its size, so one read that would only confirm this is saved.
    if (count === 0 || filled === length || filled === size) return buffer.subarray(0, filled)
    if (filled === buffer.length) buffer = Buffer.concat([buffer], Math.min(length, buffer.length * 2))
  }
}
