import { bytesOfText } from '../exact-text.ts'
/**
 * Cpio archives in the format that the kernel unpacks: newc,
 * Documentation/driver-api/early-userspace/buffer-format.rst. The output depends only on the entries: times are 0.
 */

/** File types in a mode: include/uapi/linux/stat.h. */
export const fileTypes = {
  mask: 0o170000,
  directory: 0o040000,
  regular: 0o100000,
  link: 0o120000,
  character: 0o020000,
  block: 0o060000,
} as const

/** A newc header holds sizes in eight hexadecimal digits. */
export const MAX_CPIO_FILE = 0xffff_ffff

/** Headers with their names, contents, and archives as a whole begin on multiples of this. */
export const CPIO_ALIGNMENT = 4

/** The fields of a header besides the name. */
export interface CpioFields {
  readonly inode: number
  /** Type and permissions. */
  readonly mode: number
  readonly size?: number
  readonly uid?: number
  readonly gid?: number
  /** For a device node. */
  readonly major?: number
  readonly minor?: number
}

/** A header with its name, padded: the contents follow directly. @param name relative to the archive's root */
export function cpioHeader(name: string, fields: CpioFields): Buffer {
  const { inode, mode, size = 0, uid = 0, gid = 0, major = 0, minor = 0 } = fields
  if (size > MAX_CPIO_FILE) throw new RangeError(`'${name}' is ${size} bytes; cpio ends at 4 GiB`)
  const nameBytes = bytesOfText(`${name}\0`)
  const [links, time, device, checksum] = [1, 0, 0, 0]
  const numbers = [inode, mode, uid, gid, links, time, size, device, device, major, minor, nameBytes.length, checksum]
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([Buffer.from(text), nameBytes, cpioPadding(text.length + nameBytes.length)])
}

/** The end of an archive. */
export function cpioTrailer(): Buffer {
  return cpioHeader('TRAILER!!!', { inode: 0, mode: 0 })
}

/** Zeros up to the next possible beginning. */
export function cpioPadding(length: number): Buffer {
  return Buffer.alloc((CPIO_ALIGNMENT - (length % CPIO_ALIGNMENT)) % CPIO_ALIGNMENT)
}
