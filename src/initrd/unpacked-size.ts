import type { ByteSource } from '../bytes/bytes.ts'
import { listArchive } from './archive-entries.ts'

/** The memory of a file besides its content: an inode and a name (ramfs), approximately. */
const PER_ENTRY = 1024
const PAGE = 4096

/**
 * The memory of an initrd once it is unpacked, in bytes: the files in whole pages. All of it is decompressed for that.
 * @returns null where not all of it can be read
 * @throws KexecError 'aborted'
 */
export async function unpackedSize(source: ByteSource, signal?: AbortSignal): Promise<number | null> {
  let total = 0
  const isWhole = await listArchive(
    source,
    ({ size }) => {
      total += PER_ENTRY + Math.ceil(size / PAGE) * PAGE
    },
    signal,
  )
  return isWhole ? total : null
}
