import { closeSync, fstatSync, type Stats } from 'node:fs'
import { posix } from 'node:path'
import { type ByteSource, fileBytes, joined, memoryBytes } from '../bytes/bytes.ts'
import { KexecError } from '../errors.ts'
import { bytesOfText, textOfBytes } from '../exact-text.ts'
import { optionName } from '../option-name.ts'
import type { System } from '../system/system.ts'
import { cpioHeader, cpioPadding, cpioTrailer, fileTypes, MAX_CPIO_FILE } from './cpio.ts'
import type { InitrdTree } from './tree.ts'

/** Files that are added to the initrd, in memory. */
export interface InitrdOverlay {
  /** A file; a directory with all its contents; or the bytes of a file. */
  readonly source: string | Uint8Array
  /**
   * The absolute path of the file or directory in the initrd; one that ends in '/' is the directory that a file goes
   * to. Default: the source's own path.
   */
  readonly destination?: string
  /** Permissions of a file, such as 0o755; default its own. Bytes have 0o644. */
  readonly mode?: number
}

/** An item for a path of the initrd. */
export interface OverlayItem {
  /** Absolute, without a slash at its end. */
  readonly path: string
  /** Type and permissions. */
  readonly mode: number
  /** Of a regular file or a link; empty for a directory. */
  readonly content: ByteSource
  /** For messages. */
  readonly from: string
}

/** More than any intended directory has. */
const MAX_ITEMS = 200_000
const MAX_DEPTH = 100
/** PATH_MAX of include/uapi/linux/limits.h, without the NUL: the unpacker skips longer names. */
const MAX_PATH = 4095

/**
 * Examines the files to add; their contents are read when the archive is. Owner is root.
 * @param refuse called for each file that cannot be added: 'not-found', 'not-readable' or 'invalid-argument'
 */
export function gatherOverlays(
  system: System,
  overlays: readonly InitrdOverlay[],
  refuse: (refusal: KexecError) => void,
): OverlayItem[] {
  const items: OverlayItem[] = []
  const gatherer = new Gatherer(system, items, refuse)
  for (const overlay of overlays) gatherer.tell(() => gatherer.gather(overlay))
  return items
}

class Gatherer {
  readonly #system: System
  readonly #items: OverlayItem[]
  readonly #refuse: (refusal: KexecError) => void

  constructor(system: System, items: OverlayItem[], refuse: (refusal: KexecError) => void) {
    this.#system = system
    this.#items = items
    this.#refuse = refuse
  }

  /** A source that cannot be added does not keep the others from being examined. */
  tell(gather: () => void): void {
    try {
      gather()
    } catch (error) {
      if (!(error instanceof KexecError)) throw error
      this.#refuse(error)
    }
  }

  gather(overlay: InitrdOverlay): void {
    const { source, mode } = overlay
    if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o7777)) {
      throw unplaceable('its mode is not permission bits, such as 0o755')
    }
    if (typeof source !== 'string') {
      const content = memoryBytes(Buffer.from(source.buffer, source.byteOffset, source.byteLength))
      this.#add({ path: destinationOf(overlay, ''), mode: regular(mode ?? 0o644), content, from: '(bytes)' })
      return
    }
    const stats = this.#system.stat(source)
    if (stats === undefined) throw unusable(source, 'not-found', 'no such file or directory to add to the initrd')
    if (stats.isDirectory()) {
      if (mode !== undefined) throw unplaceable('a mode is for a file, and its source is a directory')
      this.#addDirectory(source, destinationOf(overlay, ''), stats, 0)
    } else this.#addFile(source, destinationOf(overlay, posix.basename(source)), stats, mode)
  }

  #addDirectory(directory: string, path: string, stats: Stats, depth: number): void {
    if (depth > MAX_DEPTH) throw unusable(directory, 'invalid-argument', 'the directory is nested too deeply')
    const mode = fileTypes.directory | (stats.mode & 0o7777)
    if (path !== '/') this.#add({ path, mode, content: nothing, from: directory })
    const names = this.#system.list(directory)
    if (names.length === 0 && this.#system.denied.has(directory))
      throw unusable(directory, 'not-readable', 'this user may not read the directory')
    for (const name of names) {
      this.tell(() => this.#addMember(posix.join(directory, name), posix.join(path, name), depth))
    }
  }

  #addMember(from: string, path: string, depth: number): void {
    const target = this.#system.readLink(from)
    const stats = target === undefined ? this.#system.stat(from) : undefined
    if (target !== undefined) {
      this.#add({ path, mode: fileTypes.link | 0o777, content: memoryBytes(bytesOfText(target)), from })
    } else if (stats?.isDirectory()) this.#addDirectory(from, path, stats, depth + 1)
    else this.#addFile(from, path, stats, undefined)
  }

  #addFile(from: string, path: string, stats: Stats | undefined, mode: number | undefined): void {
    if (!stats?.isFile()) throw special(from)
    this.#add({ path, mode: regular(mode ?? stats.mode), content: lazyFile(this.#system, from, stats), from })
  }

  #add(item: OverlayItem): void {
    if (this.#items.length >= MAX_ITEMS)
      throw unusable(item.from, 'invalid-argument', `the overlay holds more than ${MAX_ITEMS} files`)
    if (bytesOfText(item.path).length > MAX_PATH)
      throw unusable(item.from, 'invalid-argument', 'its path in the initrd is longer than the kernel takes')
    this.#items.push(item)
  }
}

function regular(mode: number): number {
  return fileTypes.regular | (mode & 0o7777)
}

/**
 * The destination of a source. @param name of a file, for a destination that is a directory; empty for other sources
 */
function destinationOf({ source, destination }: InitrdOverlay, name: string): string {
  const wanted = destination ?? (typeof source === 'string' ? source : undefined)
  if (wanted === undefined || !wanted.startsWith('/') || wanted.split('/').includes('..') || wanted.includes('\0')) {
    const where =
      wanted === undefined ? 'bytes need a destination' : `'${wanted}' is not an absolute path in the initrd`
    throw unplaceable(where)
  }
  const path = posix.normalize(wanted)
  if (path.endsWith('/') && name !== '') return posix.join(path, name)
  if (path === '/' && typeof source !== 'string') return destinationOf({ source: '', destination: '..' }, '')
  return path.length > 1 ? path.replace(/\/$/, '') : path
}

/** An overlay as an archive, to be unpacked over the initrd's content. */
export interface OverlayArchive {
  readonly bytes: ByteSource
  readonly files: number
}

/**
 * Lays the items over the initrd: links to directories in it are followed, as a file system would; missing directories
 * are made (0755); existing ones keep their permissions. The unpacker's treatment of existing files (do_name() and
 * do_symlink() of init/initramfs.c, seen in QEMU on 5.10, 6.1 and 6.17) determines the form:
 * - It gives a directory the permissions of every entry for it, so existing ones get no entry.
 * - A directory's entry removes a link at its place. With a slash at its end the name is followed, and the link stays:
 *   that matters where part of the initrd is unknown.
 * - A file is written through all its hard links, such as dracut makes of equal files. A link at its place first
 *   removes that one name.
 * @throws KexecError 'invalid-argument' where a file of the initrd is in the way
 */
export function overlayArchive(items: readonly OverlayItem[], tree: InitrdTree): OverlayArchive {
  const pieces: ByteSource[] = []
  let inode = 1
  const add = (path: string, mode: number, content: ByteSource) => {
    const header = cpioHeader(path.slice(1), { inode: inode++, mode, size: content.size })
    pieces.push(memoryBytes(header), content, memoryBytes(cpioPadding(content.size)))
  }
  const addDirectory = (path: string, mode: number) => add(`${path}/`, fileTypes.directory | mode, nothing)
  let files = 0
  for (const { path, mode, content, from } of items) {
    const isDirectory = (mode & fileTypes.mask) === fileTypes.directory
    const place = tree.place(path, isDirectory, from)
    for (const directory of place.missing) addDirectory(directory, 0o755)
    if (isDirectory && place.isThere) continue
    const isLink = (mode & fileTypes.mask) === fileTypes.link
    tree.add(place.path, mode, isLink ? textOfBytes(content.read(0, content.size)) : null)
    if (isDirectory) {
      addDirectory(place.path, mode & 0o7777)
      continue
    }
    if (place.replacesFile && !isLink) add(place.path, fileTypes.link | 0o777, memoryBytes(Buffer.from('.')))
    add(place.path, mode, content)
    files++
  }
  pieces.push(memoryBytes(cpioTrailer()))
  return { bytes: joined(pieces), files }
}

const nothing = memoryBytes(Buffer.alloc(0))

/** A file that is opened only when it is read: there may be thousands. */
function lazyFile(system: System, path: string, expected: Stats): ByteSource {
  if (expected.size > MAX_CPIO_FILE)
    throw unusable(path, 'invalid-argument', 'a file of 4 GiB or more does not fit into an initrd')
  const { size } = expected
  return {
    size,
    read(offset, length) {
      if (size === 0) return Buffer.alloc(0)
      const fd = open(system, path)
      try {
        refuseIfChanged(fd, path, expected)
        const bytes = fileBytes(fd, size).read(offset, length)
        // It may have been written while it was read.
        refuseIfChanged(fd, path, expected)
        return bytes
      } finally {
        closeSync(fd)
      }
    },
  }
}

function refuseIfChanged(fd: number, path: string, { size, mtimeMs, ctimeMs, ino, dev }: Stats): void {
  const now = fstatSync(fd)
  if (now.size === size && now.mtimeMs === mtimeMs && now.ctimeMs === ctimeMs && now.ino === ino && now.dev === dev)
    return
  const hint = 'Wait until its writer has finished, and plan again.'
  throw unusable(path, 'file-changed', 'the file was changed after it was looked at', hint)
}

function open(system: System, path: string): number {
  try {
    return system.open(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw unusable(path, code === 'ENOENT' ? 'not-found' : 'not-readable', 'the file cannot be opened for the initrd')
  }
}

function unplaceable(why: string): KexecError {
  return new KexecError(`an overlay cannot be placed: ${why}`, {
    reason: 'invalid-argument',
    hint: 'Give it as SOURCE:/path/in/the/initrd.',
    refused: true,
  })
}

function special(path: string): KexecError {
  return unusable(path, 'invalid-argument', 'this is not a file, directory or link, and cannot be added to the initrd')
}

function unusable(
  path: string,
  reason: 'not-found' | 'not-readable' | 'invalid-argument' | 'file-changed',
  summary: string,
  hint = remedies()[reason],
): KexecError {
  return new KexecError(summary, { reason, path, refused: true, hint })
}

/** What helps where nothing more is known. */
function remedies() {
  return {
    'not-found': `Check the path that ${optionName('overlay')} names.`,
    'not-readable': 'Run it as root, or make it readable.',
    'invalid-argument': `Leave it out of ${optionName('overlay')}.`,
    'file-changed': 'Plan again when nothing writes it any more.',
  }
}
