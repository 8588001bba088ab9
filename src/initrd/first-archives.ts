import type { ByteSource } from '../bytes/bytes.ts'
import { compressionAt, magicAt } from '../image/model/image.ts'

/** The layout of an initrd's first archives. Microcode comes in an archive of its own, before the others. */
export interface FirstArchives {
  /** Where the first archive begins, after zeros; null when only zeros were found. */
  readonly start: number | null
  /** Where a compressed one begins; null when other data ended the search before. */
  readonly compressedAt: number | null
  /** Where there is data that is not an archive, or null. */
  readonly unknownAt: number | null
  /** Whether that data is a cpio archive, but not at a multiple of 4. */
  readonly isMisaligned: boolean
  readonly problems: readonly string[]
}

/** The most entries read in all archives: those of microcode are below ten. Reading more would gain little. */
const MAX_ENTRIES = 32

/** The most zeros between archives that are read, in bytes. */
const MAX_ZEROS = 64 * 1024

const HEADER_BYTES = 110

const CUT_OFF = 'ends in the middle of an archive: it was cut off'

/** Enough for a header with the name of any file of microcode. */
const ENTRY_BYTES = 256

/** PATH_MAX of include/uapi/linux/limits.h: the kernel skips longer names. */
const MAX_NAME = 4096

/**
 * Walks over uncompressed archives as the kernel does (unpack_to_rootfs() of init/initramfs.c), to the first compressed
 * one or other data. Reads a few kilobytes, even of large archives.
 */
export function walkArchives(source: ByteSource): FirstArchives {
  const found = { compressedAt: null, unknownAt: null, isMisaligned: false, problems: [] as string[] }
  let start: number | null = null
  let budget = MAX_ENTRIES
  for (let position = 0; ; ) {
    const next = skipZeros(source, position)
    if (next === null) return { ...found, start }
    start ??= next
    const head = source.read(next, 16)
    if (compressionAt(head, 0) !== null) return { ...found, start, compressedAt: next }
    if (!isCpio(head, 0)) return { ...found, start, unknownAt: next }
    if (next % 4 !== 0) return { ...found, start, unknownAt: next, isMisaligned: true }
    const archive = walkArchive(source, next, budget)
    if (typeof archive === 'string') return { ...found, start, problems: [archive] }
    if (archive.end === null) return { ...found, start }
    budget -= archive.entries
    position = archive.end
  }
}

/** Whether a cpio archive of the format that the kernel unpacks begins there: newc, with or without checksums. */
export function isCpio(bytes: Buffer, offset: number): boolean {
  return magicAt(bytes, offset, '070701') || magicAt(bytes, offset, '070702')
}

/**
 * @returns the first byte that is not zero; null when none was found
 */
function skipZeros(source: ByteSource, from: number): number | null {
  const PIECE = 4096
  for (let position = from; position < from + MAX_ZEROS; position += PIECE) {
    const piece = source.read(position, PIECE)
    const index = piece.findIndex((byte) => byte !== 0)
    if (index >= 0) return position + index
    if (piece.length < PIECE) return null
  }
  return null
}

/**
 * @returns the end of an archive, null where it has more entries than are read; or the fault
 */
function walkArchive(source: ByteSource, from: number, budget: number) {
  let position = from
  for (let entries = 1; entries <= budget; entries++) {
    const entry = source.read(position, ENTRY_BYTES)
    if (entry.length < HEADER_BYTES) return CUT_OFF
    if (!isCpio(entry, 0)) return `is damaged at byte ${position}: no entry begins there`
    const [size, nameBytes] = [fieldOf(entry, 6), fieldOf(entry, 11)]
    if (size === undefined || nameBytes === undefined || nameBytes === 0 || nameBytes > MAX_NAME) {
      return `is damaged at byte ${position}: the header of an entry makes no sense`
    }
    const body = aligned(position + HEADER_BYTES + nameBytes)
    if (body > source.size || body + size > source.size) return CUT_OFF
    position = aligned(body + size)
    if (magicAt(entry, HEADER_BYTES, 'TRAILER!!!\0')) return { end: position, entries }
  }
  return { end: null, entries: budget }
}

/** A number of a header: eight hexadecimal digits, counted from behind the magic. */
function fieldOf(entry: Buffer, index: number): number | undefined {
  const text = entry.toString('latin1', 6 + index * 8, 14 + index * 8)
  return /^[0-9a-fA-F]{8}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

function aligned(position: number): number {
  return Math.ceil(position / 4) * 4
}
