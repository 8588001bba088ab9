import { closeSync, fstatSync, type Stats } from 'node:fs'
import { posix } from 'node:path'
import { KexecError } from '../errors.ts'
import { type ByteSource, fileBytes, joined, memoryBytes } from '../image/bytes.ts'
import type { System } from '../system/system.ts'
import { cpioHeader, cpioPadding, cpioTrailer, fileTypes, MAX_CPIO_FILE } from './cpio.ts'
import type { InitrdTree } from './tree.ts'

/** Files that are added to the initrd, in memory. */
export interface Overlay {
  /** A file; a folder, of which everything is taken; or the bytes of a file. */
  readonly source: string | Uint8Array
  /**
   * The file's or folder's absolute path in the initrd; one that ends in '/' is the folder that a file goes to. Without one, the
   * path is the same as that of the source.
   */
  readonly destination?: string
  /** Permissions of a file, such as 0o755; its own without. Bytes have 0o644. */
  readonly mode?: number
}

/** What is to be in the initrd at a path. */
export interface OverlayItem {
  /** Absolute, without a slash at its end. */
  readonly path: string
  /** Type and permissions. */
  readonly mode: number
  /** Of a regular file or a link; empty for a folder. */
  readonly content: ByteSource
  /** For messages. */
  readonly from: string
}

/** More than any folder that is meant. */
const MAX_ITEMS = 200_000
const MAX_DEPTH = 100

/**
 * Looks at what is to be added; the contents of files are read when the archive is. Owner is root.
 * @throws KexecError 'not-found', 'not-readable' or 'invalid-argument'
 */
export function gatherOverlays(system: System, overlays: readonly Overlay[]): OverlayItem[] {
  const items: OverlayItem[] = []
  for (const overlay of overlays) {
    const { source, mode } = overlay
    if (typeof source === 'string') gather(system, source, overlay, items)
    else {
      const content = memoryBytes(Buffer.from(source.buffer, source.byteOffset, source.byteLength))
      items.push({ path: destinationOf(overlay, ''), mode: regular(mode ?? 0o644), content, from: '(bytes)' })
    }
  }
  return items
}

function gather(system: System, source: string, overlay: Overlay, items: OverlayItem[]): void {
  const stats = system.stat(source)
  if (stats === undefined) throw unusable(source, 'not-found', 'no such file or folder to add to the initrd')
  if (stats.isFile()) {
    const path = destinationOf(overlay, posix.basename(source))
    items.push({
      path,
      mode: regular(overlay.mode ?? stats.mode),
      content: lazyFile(system, source, stats),
      from: source,
    })
  } else if (stats.isDirectory()) {
    gatherFolder(system, source, destinationOf(overlay, ''), stats, items, 0)
  } else throw special(source)
}

function gatherFolder(
  system: System,
  folder: string,
  path: string,
  stats: Stats,
  items: OverlayItem[],
  depth: number,
): void {
  if (depth > MAX_DEPTH || items.length > MAX_ITEMS)
    throw unusable(folder, 'invalid-argument', 'the folder holds more than an initrd has room for')
  const mode = fileTypes.directory | (stats.mode & 0o7777)
  if (path !== '/') items.push({ path, mode, content: memoryBytes(Buffer.alloc(0)), from: folder })
  const names = system.list(folder)
  if (names.length === 0 && system.denied.has(folder))
    throw unusable(folder, 'not-readable', 'the folder may not be read by this user')
  for (const name of names) {
    const [from, inside] = [posix.join(folder, name), posix.join(path, name)]
    const target = system.readLink(from)
    if (target !== undefined) {
      items.push({ path: inside, mode: fileTypes.link | 0o777, content: memoryBytes(Buffer.from(target)), from })
      continue
    }
    const found = system.stat(from)
    if (found?.isDirectory()) gatherFolder(system, from, inside, found, items, depth + 1)
    else if (found?.isFile()) {
      items.push({ path: inside, mode: regular(found.mode), content: lazyFile(system, from, found), from })
    } else throw special(from)
  }
}

function regular(mode: number): number {
  return fileTypes.regular | (mode & 0o7777)
}

/** Where a source goes. @param name of a file, for a destination that is a folder; empty for what is no file */
function destinationOf({ source, destination }: Overlay, name: string): string {
  const wanted = destination ?? (typeof source === 'string' ? source : undefined)
  if (wanted === undefined || !wanted.startsWith('/') || wanted.split('/').includes('..') || wanted.includes('\0')) {
    const where = wanted === undefined ? 'bytes need a destination' : `'${wanted}' is no absolute path in the initrd`
    throw new KexecError(`an overlay cannot be placed: ${where}`, {
      reason: 'invalid-argument',
      hint: 'Give it as SOURCE:/path/in/the/initrd.',
      refused: true,
    })
  }
  const path = posix.normalize(wanted)
  if (path.endsWith('/') && name !== '') return posix.join(path, name)
  if (path === '/' && typeof source !== 'string') return destinationOf({ source: '', destination: '..' }, '')
  return path.length > 1 ? path.replace(/\/$/, '') : path
}

/** An overlay as an archive, to be unpacked over what the initrd unpacks to. */
export interface OverlayArchive {
  readonly bytes: ByteSource
  readonly files: number
}

/**
 * Lays the items over the initrd: links to folders in it are followed, as a file system would; folders that are missing are
 * made (0755); those that are there keep their permissions.
 * @throws KexecError 'invalid-argument' where a file of the initrd is in the way
 */
export function overlayArchive(items: readonly OverlayItem[], tree: InitrdTree): OverlayArchive {
  const pieces: ByteSource[] = []
  let inode = 1
  const add = (path: string, mode: number, content: ByteSource) => {
    const header = cpioHeader(path.slice(1), { inode: inode++, mode, size: content.size })
    pieces.push(memoryBytes(header), content, memoryBytes(cpioPadding(content.size)))
  }
  let files = 0
  for (const { path, mode, content, from } of items) {
    const isFolder = (mode & fileTypes.mask) === fileTypes.directory
    const place = tree.place(path, isFolder, from)
    for (const folder of place.missing) add(folder, fileTypes.directory | 0o755, memoryBytes(Buffer.alloc(0)))
    if (isFolder && place.isThere) continue
    tree.add(place.path, mode, null)
    add(place.path, mode, content)
    if (!isFolder) files++
  }
  pieces.push(memoryBytes(cpioTrailer()))
  return { bytes: joined(pieces), files }
}

/** A file that is opened when it is read: there may be thousands. */
function lazyFile(system: System, path: string, expected: Stats): ByteSource {
  if (expected.size > MAX_CPIO_FILE)
    throw unusable(path, 'invalid-argument', 'a file of 4 GiB or more fits into no initrd')
  const { size } = expected
  return {
    size,
    read(offset, length) {
      if (size === 0) return Buffer.alloc(0)
      const fd = open(system, path)
      try {
        const now = fstatSync(fd)
        if (now.size !== size || now.mtimeMs !== expected.mtimeMs || now.ino !== expected.ino) {
          const hint = 'Wait until whatever writes it has finished, and plan again.'
          throw unusable(path, 'file-changed', 'the file was changed after it was looked at', hint)
        }
        return fileBytes(fd, size).read(offset, length)
      } finally {
        closeSync(fd)
      }
    },
  }
}

function open(system: System, path: string): number {
  try {
    return system.open(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw unusable(path, code === 'ENOENT' ? 'not-found' : 'not-readable', 'the file cannot be opened for the initrd')
  }
}

function special(path: string): KexecError {
  return unusable(path, 'invalid-argument', 'this is neither file, folder nor link, and cannot be added to the initrd')
}

function unusable(
  path: string,
  reason: 'not-found' | 'not-readable' | 'invalid-argument' | 'file-changed',
  summary: string,
  hint?: string,
): KexecError {
  return new KexecError(summary, { reason, path, refused: true, ...(hint === undefined ? {} : { hint }) })
}
