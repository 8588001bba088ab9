import { createHash, type Hash } from 'node:crypto'
import type { ByteSource } from '../../bytes/bytes.ts'
import { chunksOf } from './cms/stream.ts'
import type { PeLayout, Range } from './pe-layout.ts'

export interface PeDigests {
  /** The Authenticode digest by each requested algorithm that this Node has. */
  readonly digests: ReadonlyMap<string, Buffer>
  readonly checksum: Checksums
}

export interface Checksums {
  /** The PE checksum of the bytes as they are. */
  readonly whole: number
  /** Its value before there was a certificate table, if the file had `size` bytes then. */
  unsigned(size: number): number
}

/** A stretch of the file, and the sums that include it. */
interface Segment extends Range {
  readonly hashed: boolean
  readonly summed: boolean
}

/**
 * Computes the Authenticode digest and the PE checksum in one pass. Every byte is read once, except the few at the end
 * that the rules hash a second time when there are gaps between sections. Lets the event loop run after each piece.
 * @param layout one without problems
 */
export async function digestPe(
  source: ByteSource,
  layout: PeLayout,
  algorithms: Iterable<string>,
  signal?: AbortSignal,
): Promise<PeDigests> {
  const hashes = createHashes(algorithms)
  const sum = new Checksum()
  const beforeTable = new Checksum()
  for (const segment of segmentsOf(source.size, layout)) {
    if (segment.summed && segment.offset === layout.table?.offset) beforeTable.continue(sum)
    for await (const bytes of chunksOf(source, segment.offset, segment.length, signal)) {
      if (segment.hashed) for (const hash of hashes.values()) hash.update(bytes)
      if (segment.summed) sum.add(bytes)
    }
    if (!segment.summed && !segment.hashed) sum.skip(segment.length)
  }
  return {
    digests: new Map([...hashes].map(([name, hash]) => [name, hash.digest()])),
    checksum: {
      whole: sum.result(source.size),
      unsigned: (size) => beforeTable.without(source, layout.certificateEntry).result(size),
    },
  }
}

/** Running hashes, for those algorithms that this Node has. */
export function createHashes(algorithms: Iterable<string>): Map<string, Hash> {
  const hashes = new Map<string, Hash>()
  for (const name of algorithms) {
    try {
      hashes.set(name, createHash(name))
    } catch {
      // Reported where the digest is missing.
    }
  }
  return hashes
}

/** Only the PE checksum, for an image whose headers allow no digest. */
export async function checksumPe(source: ByteSource, checksumOffset: number, signal?: AbortSignal): Promise<number> {
  const sum = new Checksum()
  const after = checksumOffset + 4
  for await (const bytes of chunksOf(source, 0, checksumOffset, signal)) sum.add(bytes)
  sum.skip(4)
  for await (const bytes of chunksOf(source, after, source.size - after, signal)) sum.add(bytes)
  return sum.result(source.size)
}

/**
 * The hashed stretches, in order: the headers without checksum and without the certificate table's entry, the sections,
 * and the rest at the end before the certificate table. The length of the rest is computed: as many bytes as were not
 * hashed yet, counted from the end (step 13 of Microsoft's description; verify_pefile.c and the firmware do the same).
 * So no signature covers the bytes in a gap between sections.
 */
export function hashedRanges(size: number, layout: PeLayout): Range[] {
  const { checksumOffset, certificateEntry, headerSize, sections, table } = layout
  const ranges = [between(0, checksumOffset)]
  if (certificateEntry === null) ranges.push(between(checksumOffset + 4, headerSize))
  else ranges.push(between(checksumOffset + 4, certificateEntry), between(certificateEntry + 8, headerSize))
  const hashed = headerSize + sections.reduce((sum, { length }) => sum + length, 0)
  return [...ranges, ...sections, between(hashed, size - (table?.length ?? 0))].filter(({ length }) => length > 0)
}

function between(offset: number, end: number): Range {
  return { offset, length: end - offset }
}

/** The whole file as stretches in the order of hashing, each byte summed once and in the file's order. */
function segmentsOf(size: number, layout: PeLayout): Segment[] {
  const segments: Segment[] = []
  let summed = 0
  const sumTo = (end: number) => {
    const field = layout.checksumOffset
    const pieces = [between(summed, Math.min(end, field)), between(Math.max(summed, field + 4), end)]
    const [before, after] = pieces as [Range, Range]
    if (before.length > 0) segments.push({ ...before, hashed: false, summed: true })
    // The checksum is the sum of all bytes but its own.
    if (summed <= field && end > field) segments.push({ offset: field, length: 4, hashed: false, summed: false })
    if (after.length > 0) segments.push({ ...after, hashed: false, summed: true })
    summed = Math.max(summed, end)
  }
  for (const { offset, length } of hashedRanges(size, layout)) {
    const end = offset + length
    if (offset > summed) sumTo(offset)
    const again = Math.max(0, Math.min(end, summed) - offset)
    if (again > 0) segments.push({ offset, length: again, hashed: true, summed: false })
    if (length > again) segments.push({ offset: offset + again, length: length - again, hashed: true, summed: true })
    summed = Math.max(summed, end)
  }
  if (size > summed) sumTo(size)
  return segments
}

/** ImageHlp's CheckSumMappedFile: the 16-bit words added with their carries, and the file's size on top. */
class Checksum {
  #sum = 0
  #odd = false

  add(bytes: Buffer): void {
    let sum = 0
    let at = 0
    if (this.#odd && bytes.length > 0) sum += (bytes[at++] as number) << 8
    const pairs = at + ((bytes.length - at) & ~1)
    for (; at < pairs; at += 2) sum += (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    if (at < bytes.length) sum += bytes[at] as number
    this.#sum += sum
    this.skip(bytes.length)
  }

  /** Takes over another sum so far. */
  continue(other: Checksum): void {
    this.#sum = other.#sum
    this.#odd = other.#odd
  }

  /** The sum with the data directory's entry at `offset` set to zero. */
  without(source: ByteSource, offset: number | null): Checksum {
    const entry = new Checksum()
    if (offset !== null) {
      entry.skip(offset)
      entry.add(source.read(offset, 8))
    }
    const rest = new Checksum()
    rest.#sum = Math.max(0, this.#sum - entry.#sum)
    return rest
  }

  /** Skips bytes that count as zero. */
  skip(length: number): void {
    if (length % 2 === 1) this.#odd = !this.#odd
  }

  result(size: number): number {
    let sum = this.#sum
    while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
    return (sum + size) % 0x1_0000_0000
  }
}
