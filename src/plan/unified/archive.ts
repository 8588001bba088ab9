import { posix } from 'node:path'
import { type ByteSource, joined, memoryBytes } from '../../image/bytes.ts'

/** A file of an archive. */
export interface ArchiveFile {
  readonly name: string
  readonly content: ByteSource
}

/** Where systemd-stub puts files, and with what permissions; folders above have 0555 (systemd-stub(7), "Initrd Resources"). */
export interface ArchiveFolder {
  /** Relative to the initrd's root. */
  readonly folder: string
  readonly folderMode: number
  readonly fileMode: number
}

const S_IFDIR = 0o040000
const S_IFREG = 0o100000

/** Larger files a newc header cannot tell of. */
export const MAX_ARCHIVED = 0xffff_ffff

/**
 * A cpio archive as systemd-stub makes them (newc: Documentation/driver-api/early-userspace/buffer-format.rst): the folders,
 * then the files, all of root's. The contents are read when the archive is.
 * @param files none larger than MAX_ARCHIVED
 */
export function archiveOf({ folder, folderMode, fileMode }: ArchiveFolder, files: readonly ArchiveFile[]): ByteSource {
  const pieces: ByteSource[] = []
  let inode = 1
  const parts = folder.split('/')
  for (const index of parts.keys()) {
    const mode = index === parts.length - 1 ? folderMode : 0o555
    pieces.push(memoryBytes(header(parts.slice(0, index + 1).join('/'), { inode: inode++, mode: S_IFDIR | mode })))
  }
  for (const { name, content } of files) {
    const fields = { inode: inode++, mode: S_IFREG | fileMode, size: content.size }
    pieces.push(memoryBytes(header(posix.join(folder, name), fields)), content, memoryBytes(padding(content.size)))
  }
  pieces.push(memoryBytes(header('TRAILER!!!', { inode: 0, mode: 0 })))
  return joined(pieces)
}

function header(name: string, { inode, mode, size = 0 }: { inode: number; mode: number; size?: number }): Buffer {
  const nameBytes = Buffer.from(`${name}\0`)
  const [links, time, owner, device] = [1, 0, 0, 0]
  const numbers = [inode, mode, owner, owner, links, time, size, device, device, device, device, nameBytes.length, 0]
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([Buffer.from(text), nameBytes, padding(text.length + nameBytes.length)])
}

/** Zeros up to the next multiple of four, where headers and contents begin. */
function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4)
}
