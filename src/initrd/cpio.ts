/**
 * A cpio archive in the format the kernel unpacks: newc, Documentation/driver-api/early-userspace/buffer-format.rst. The bytes
 * depend on the entries and nothing else: times are 0, inode numbers count up.
 */

/** What a file of an archive holds. */
export interface CpioContent {
  /** Bytes, at most MAX_FILE. */
  readonly size: number
  /** The bytes, read when they are written. A chunk is valid until the next one is asked for. */
  chunks(): Iterable<Buffer>
}

/**
 * One entry of an archive. What it is follows from the field that is there. Parents must come before children: the kernel
 * makes no folder that has no entry.
 */
export type CpioEntry = {
  /** Relative to the root, or absolute, which is the same. A slash at its end is kept. */
  readonly path: string
  /** Permission bits, such as 0o755. */
  readonly mode: number
  /** Numeric owner and group; 0 (root) unless given. */
  readonly uid?: number
  readonly gid?: number
} & (
  | { readonly content: CpioContent }
  | { readonly link: string }
  | { readonly directory: true }
  | { readonly device: { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number } }
)

// include/uapi/linux/stat.h
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
const S_IFCHR = 0o020000
const S_IFBLK = 0o060000

/** Largest file, bytes: a newc header holds sizes in eight hexadecimal digits. */
export const MAX_FILE = 0xffff_ffff

const HEADER_BYTES = 110

/** What ends every archive. */
const TRAILER = 'TRAILER!!!'

/**
 * The archive in pieces, each written once.
 * @throws RangeError for a path that cannot be stored and for a file of 4 GiB or more, Error for contents of another size
 *   than they said, and what their `chunks()` throw
 */
export function* cpioChunks(entries: Iterable<CpioEntry>): Generator<Buffer> {
  let inode = 1
  for (const entry of entries) {
    const body = bodyOf(entry)
    yield entryHeader(entry, inode++)
    let size = 0
    for (const chunk of body.chunks()) {
      size += chunk.length
      yield chunk
    }
    if (size !== body.size) throw new Error(`'${entry.path}' has ${size} bytes where it had ${body.size}`)
    if (body.size % 4 !== 0) yield padding(body.size)
  }
  yield trailer()
}

/** How many bytes `cpioChunks` will give. */
export function cpioSize(entries: Iterable<CpioEntry>): number {
  let size = aligned(HEADER_BYTES + TRAILER.length + 1)
  for (const entry of entries) {
    size += aligned(HEADER_BYTES + Buffer.byteLength(nameOf(entry)) + 1) + aligned(bodyOf(entry).size)
  }
  return size
}

/** What comes before the contents of an entry. @throws RangeError */
export function entryHeader(entry: CpioEntry, inode: number): Buffer {
  const { uid = 0, gid = 0 } = entry
  const { size } = bodyOf(entry)
  if (size > MAX_FILE) throw new RangeError(`'${entry.path}' is ${size} bytes; cpio ends at 4 GiB`)
  const { major, minor } = 'device' in entry ? entry.device : { major: 0, minor: 0 }
  return header({ inode, mode: typeOf(entry) | (entry.mode & 0o7777), uid, gid, size, major, minor }, nameOf(entry))
}

/** What ends an archive. */
export function trailer(): Buffer {
  return header({ inode: 0, mode: 0, uid: 0, gid: 0, size: 0, major: 0, minor: 0 }, TRAILER)
}

/** Zeros up to the next multiple of four: headers with their name, and contents, each end there. */
export function padding(length: number): Buffer {
  return Buffer.alloc(aligned(length) - length)
}

/** Bytes in memory as the contents of a file. */
export function bytesContent(bytes: Buffer): CpioContent {
  return { size: bytes.length, chunks: () => [bytes] }
}

const nothing: CpioContent = { size: 0, chunks: () => [] }

function bodyOf(entry: CpioEntry): CpioContent {
  if ('content' in entry) return entry.content
  return 'link' in entry ? bytesContent(Buffer.from(entry.link)) : nothing
}

function typeOf(entry: CpioEntry): number {
  if ('content' in entry) return S_IFREG
  if ('link' in entry) return S_IFLNK
  if ('directory' in entry) return S_IFDIR
  return entry.device.type === 'block' ? S_IFBLK : S_IFCHR
}

function nameOf({ path }: CpioEntry): string {
  const name = path.replace(/^\/+/, '')
  if (name === '' || name.includes('\0')) throw new RangeError(`not a path for an archive: '${path}'`)
  return name
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4
}

interface Fields {
  readonly inode: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly major: number
  readonly minor: number
}

function header(fields: Fields, name: string): Buffer {
  const links = (fields.mode & 0o170000) === S_IFDIR ? 2 : 1
  const nameBytes = Buffer.from(`${name}\0`)
  const numbers = [
    fields.inode,
    fields.mode,
    fields.uid,
    fields.gid,
    links,
    0, // mtime
    fields.size,
    0, // dev major
    0, // dev minor
    fields.major,
    fields.minor,
    nameBytes.length,
    0, // checksum, unused in newc
  ]
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([Buffer.from(text), nameBytes, padding(HEADER_BYTES + nameBytes.length)])
}
