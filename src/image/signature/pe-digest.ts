import type { Hash } from 'node:crypto'
import type { ByteSource } from '../bytes.ts'
import type { PeLayout, PeRange } from './pe-layout.ts'

/** How much is read at once, bytes; even, as the checksum takes 16-bit words. */
const CHUNK = 1 << 20

/** Hands the bytes of a range over, a chunk at a time; lets other work run in between. */
export async function stream(
  source: ByteSource,
  start: number,
  end: number,
  use: (chunk: Buffer, offset: number) => void,
) {
  for (let offset = start; offset < end; ) {
    const chunk = source.read(offset, Math.min(CHUNK, end - offset))
    if (chunk.length === 0) return
    use(chunk, offset)
    offset += chunk.length
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/**
 * Feeds `hashes` what Authenticode covers ("Windows Authenticode Portable Executable Signature Format", "Calculating the PE
 * Image Hash"): all headers but CheckSum and the certificate table's directory entry, the sections in the order of the file,
 * and what lies behind the last section up to the certificate table.
 */
export async function hashImage(source: ByteSource, layout: PeLayout, hashes: readonly Hash[]): Promise<void> {
  for (const { offset, size } of digestRanges(source.size, layout)) {
    await stream(source, offset, offset + size, (chunk) => {
      for (const hash of hashes) hash.update(chunk)
    })
  }
}

/** The ranges in the order they are hashed. Only where `coverageProblem` finds nothing are they all of the file. */
export function digestRanges(fileSize: number, layout: PeLayout): PeRange[] {
  const ranges: PeRange[] = []
  const add = (start: number, end: number) => {
    if (end > start) ranges.push({ offset: start, size: end - start })
  }
  add(0, layout.checksumOffset)
  if (layout.directoryEntry === null) add(layout.checksumOffset + 4, layout.headersSize)
  else {
    add(layout.checksumOffset + 4, layout.directoryEntry)
    add(layout.directoryEntry + 8, layout.headersSize)
  }
  const end = layout.certificates === null ? fileSize : Math.min(fileSize, layout.certificates.offset)
  let hashed = layout.headersSize
  for (const { offset, size } of sortedSections(layout)) {
    add(offset, offset + size)
    hashed += size
  }
  // Both the specification and verify_pefile.c count bytes here, not offsets: it is the same where nothing overlaps and there are no gaps.
  add(hashed, end)
  return ranges
}

/** Sections that overlap, leave gaps or lie outside the file: then what is hashed is not all of the file. Null: all is covered. */
export function coverageProblem(fileSize: number, layout: PeLayout): string | null {
  const end = layout.certificates === null ? fileSize : layout.certificates.offset
  let position = layout.headersSize
  for (const { offset, size } of sortedSections(layout)) {
    if (offset < position) return `the section at byte ${offset} overlaps what precedes it`
    if (offset + size > end) return `the section at byte ${offset} reaches beyond the end of what can be signed`
    if (offset > position) return `no section covers bytes ${position} to ${offset - 1}, so the digest leaves them out`
    position = offset + size
  }
  return null
}

function sortedSections(layout: PeLayout): PeRange[] {
  return layout.sections.filter(({ size }) => size > 0).sort((one, other) => one.offset - other.offset)
}

/**
 * The checksum of a PE file, as the optional header's CheckSum has it: the 16-bit one's complement sum with CheckSum itself
 * taken for zero, plus the size of the file.
 */
export async function peChecksum(source: ByteSource, layout: PeLayout): Promise<number> {
  let sum = 0
  await stream(source, 0, source.size, (chunk, offset) => {
    for (let index = 0; index + 1 < chunk.length; index += 2) sum += chunk.readUInt16LE(index)
    if (chunk.length % 2 === 1) sum += chunk[chunk.length - 1] as number
    for (let at = 0; at < 4; at++) {
      const index = layout.checksumOffset + at - offset
      if (index >= 0 && index < chunk.length) sum -= (chunk[index] as number) << (index % 2 === 0 ? 0 : 8)
    }
    sum = folded(sum)
  })
  return (sum + source.size) % 0x1_0000_0000
}

/** One's complement addition: what is carried out of 16 bits is added at their low end. */
function folded(sum: number): number {
  let rest = sum
  while (rest > 0xffff) rest = (rest % 0x10000) + Math.floor(rest / 0x10000)
  return rest
}
