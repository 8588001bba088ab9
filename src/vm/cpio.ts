import { closeSync, openSync, readSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { bytesContent, type CpioContent, type CpioEntry, cpioChunks } from '../initrd/cpio.ts'

/**
 * One file of a guest's file system. `path` is absolute in the guest. What it is follows from the field that is there:
 * `data` (contents), `source` (a file of the host to copy), `link` (target of a symbolic link), `directory` or `device`.
 */
export type ImageEntry = {
  readonly path: string
  /** Permission bits, such as 0o755. Default: 0o644 for files, 0o755 for directories, 0o600 for devices. */
  readonly mode?: number
  /** Numeric owner and group; 0 (root) unless given, whoever builds the image. */
  readonly uid?: number
  readonly gid?: number
} & (
  | { readonly data: string | Uint8Array }
  | { readonly source: string }
  | { readonly link: string }
  | { readonly directory: true }
  | { readonly device: { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number } }
)

/** Bytes moved at a time when a host file is copied. */
const CHUNK = 1024 * 1024

/**
 * Writes a cpio archive in the format the kernel unpacks. The bytes depend on the entries and nothing else. Parents must come
 * before children.
 * @throws RangeError for a file of 4 GiB or more, Error for a source that changes size while it is copied.
 */
export async function writeCpio(file: string, entries: Iterable<ImageEntry>): Promise<void> {
  const archived: CpioEntry[] = []
  for (const entry of entries) archived.push(await archivedAs(entry))
  const output = await open(file, 'wx', 0o644)
  try {
    // write() may write less than it was given; writeFile() does not.
    for (const chunk of cpioChunks(archived)) await output.writeFile(chunk)
  } finally {
    await output.close()
  }
}

async function archivedAs(entry: ImageEntry): Promise<CpioEntry> {
  const { mode = 0o644 } = entry
  if ('directory' in entry) return { ...entry, mode: entry.mode ?? 0o755 }
  if ('device' in entry) return { ...entry, mode: entry.mode ?? 0o600 }
  if ('link' in entry) return { ...entry, mode: 0o777 }
  if ('data' in entry) return { ...entry, mode, content: bytesContent(Buffer.from(entry.data)) }
  return { ...entry, mode, content: fileContent(entry.source, (await stat(entry.source)).size) }
}

function fileContent(source: string, size: number): CpioContent {
  return {
    size,
    *chunks() {
      const fd = openSync(source, 'r')
      try {
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size))
        for (let offset = 0; offset < size; ) {
          const count = readSync(fd, buffer, 0, Math.min(buffer.length, size - offset), offset)
          if (count === 0) throw new Error(`'${source}' became shorter while it was copied`)
          yield buffer.subarray(0, count)
          offset += count
        }
      } finally {
        closeSync(fd)
      }
    },
  }
}
