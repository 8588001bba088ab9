import { posix } from 'node:path'
import { type ByteSource, joined, memoryBytes } from '../../image/bytes.ts'
import { type CpioEntry, entryHeader, MAX_FILE, padding, trailer } from '../../initrd/cpio.ts'

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

/** Larger files a newc header cannot tell of. */
export const MAX_ARCHIVED = MAX_FILE

/**
 * A cpio archive as systemd-stub makes them: the folders, then the files, all of root's. The contents are read when the
 * archive is.
 * @param files none larger than MAX_ARCHIVED
 */
export function archiveOf({ folder, folderMode, fileMode }: ArchiveFolder, files: readonly ArchiveFile[]): ByteSource {
  const pieces: ByteSource[] = []
  let inode = 1
  const parts = folder.split('/')
  for (const index of parts.keys()) {
    const mode = index === parts.length - 1 ? folderMode : 0o555
    const path = parts.slice(0, index + 1).join('/')
    pieces.push(memoryBytes(entryHeader({ path, mode, directory: true }, inode++)))
  }
  for (const { name, content } of files) {
    // Only the header is taken of this: the contents stay a source, which may be read at any place.
    const entry: CpioEntry = {
      path: posix.join(folder, name),
      mode: fileMode,
      content: { size: content.size, chunks: () => [] },
    }
    pieces.push(memoryBytes(entryHeader(entry, inode++)), content, memoryBytes(padding(content.size)))
  }
  pieces.push(memoryBytes(trailer()))
  return joined(pieces)
}
