import type { FileHandle } from 'node:fs/promises'
import { open, stat } from 'node:fs/promises'
import { cpioHeader, cpioPadding, cpioTrailer, fileTypes } from '../../initrd/cpio.ts'

/**
 * One file of a guest's file system. `path` is absolute in the guest. Its kind follows from the field that is present:
 * `data` (contents), `source` (a file of the host to copy), `link` (target of a symbolic link), `directory` or
 * `device`.
 */
export type ImageEntry = {
  readonly path: string
  /** Permission bits, such as 0o755. Default: 0o644 for files, 0o755 for directories, 0o600 for devices. */
  readonly mode?: number
  /** Numeric owner and group; default 0 (root), no matter who builds the image. */
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
 * Writes a cpio archive in the format the kernel unpacks (newc,
 * Documentation/driver-api/early-userspace/buffer-format.rst). The bytes depend only on the entries: times are 0, inode
 * numbers count up. Parents must come before children.
 * @throws RangeError for a file of 4 GiB or more, Error for a source that changes size while it is copied.
 */
export async function writeCpio(file: string, entries: Iterable<ImageEntry>): Promise<void> {
  const output = await open(file, 'wx', 0o644)
  try {
    await writeArchive(output, entries)
  } finally {
    await output.close()
  }
}

/** Writes the same to an open file, from its position on. */
export async function writeArchive(output: FileHandle, entries: Iterable<ImageEntry>): Promise<void> {
  let inode = 1
  for (const entry of entries) await writeEntry(output, entry, inode++)
  await output.write(cpioTrailer())
}

async function writeEntry(output: FileHandle, entry: ImageEntry, inode: number): Promise<void> {
  const name = entry.path.replace(/^\/+/, '')
  if (name === '' || name.includes('\0')) throw new RangeError(`not a path for an archive: '${entry.path}'`)
  const fields = { inode, uid: entry.uid ?? 0, gid: entry.gid ?? 0, size: 0, major: 0, minor: 0 }
  const permissions = (standard: number) => (entry.mode ?? standard) & 0o7777
  if ('directory' in entry) {
    await output.write(cpioHeader(name, { ...fields, mode: fileTypes.directory | permissions(0o755) }))
  } else if ('device' in entry) {
    const { type, major, minor } = entry.device
    const kind = type === 'block' ? fileTypes.block : fileTypes.character
    await output.write(cpioHeader(name, { ...fields, major, minor, mode: kind | permissions(0o600) }))
  } else if ('source' in entry) {
    const { size } = await stat(entry.source)
    await output.write(cpioHeader(name, { ...fields, size, mode: fileTypes.regular | permissions(0o644) }))
    await copyContents(entry.source, output, size)
  } else {
    const link = 'link' in entry
    const contents = Buffer.from(link ? entry.link : entry.data)
    const mode = link ? fileTypes.link | 0o777 : fileTypes.regular | permissions(0o644)
    await output.write(cpioHeader(name, { ...fields, size: contents.length, mode }))
    await output.write(Buffer.concat([contents, cpioPadding(contents.length)]))
  }
}

/** Copies a host file, and pads it as an entry's contents. */
export async function copyContents(source: string, output: FileHandle, size: number): Promise<void> {
  const input = await open(source, 'r')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size))
    let remaining = size
    while (remaining > 0) {
      const { bytesRead } = await input.read(buffer, 0, Math.min(buffer.length, remaining))
      if (bytesRead === 0) throw new Error(`'${source}' became shorter while it was copied`)
      await output.write(buffer, 0, bytesRead)
      remaining -= bytesRead
    }
    await output.write(cpioPadding(size))
  } finally {
    await input.close()
  }
}
