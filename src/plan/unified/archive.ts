import { posix } from 'node:path'
import { type ByteSource, joined, memoryBytes } from '../../bytes/bytes.ts'
import { cpioHeader, cpioPadding, cpioTrailer, fileTypes, MAX_CPIO_FILE } from '../../initrd/cpio.ts'

/** Larger files are left out. */
export const MAX_ARCHIVED = MAX_CPIO_FILE

/** A file of an archive. */
export interface ArchiveFile {
  readonly name: string
  readonly content: ByteSource
}

/**
 * Where systemd-stub puts files, and with which permissions. Their parent directories have 0555 (systemd-stub(7),
 * "Initrd Resources").
 */
export interface ArchiveDirectory {
  /** Relative to the initrd's root. */
  readonly directory: string
  readonly directoryMode: number
  readonly fileMode: number
}

/**
 * A cpio archive as systemd-stub makes them (newc: Documentation/driver-api/early-userspace/buffer-format.rst): the
 * directories, then the files, all owned by root. The contents are read when the archive is.
 * @param files each at most MAX_ARCHIVED
 */
export function archiveOf(
  { directory, directoryMode, fileMode }: ArchiveDirectory,
  files: readonly ArchiveFile[],
): ByteSource {
  const pieces: ByteSource[] = []
  let inode = 1
  const parts = directory.split('/')
  for (const index of parts.keys()) {
    const mode = index === parts.length - 1 ? directoryMode : 0o555
    pieces.push(
      memoryBytes(
        cpioHeader(parts.slice(0, index + 1).join('/'), { inode: inode++, mode: fileTypes.directory | mode }),
      ),
    )
  }
  for (const { name, content } of files) {
    const fields = { inode: inode++, mode: fileTypes.regular | fileMode, size: content.size }
    pieces.push(
      memoryBytes(cpioHeader(posix.join(directory, name), fields)),
      content,
      memoryBytes(cpioPadding(content.size)),
    )
  }
  // With a capital letter, to match systemd-stub to the byte.
  pieces.push(memoryBytes(Buffer.from(cpioTrailer().toString('latin1').replace('b', 'B'))))
  return joined(pieces)
}
