import type { ByteSource } from '../bytes/bytes.ts'
import { listArchive } from './archive-entries.ts'

/** What a file takes beside its content: an inode and a name in memory (ramfs), about. */
const PER_ENTRY = 1024
const PAGE = 4096

/**
 * What an initrd takes in memory once it is unpacked, bytes: the files in whole pages. All of it is decompressed for that.
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
