import { KexecError } from '../../../errors.ts'
import { KEXEC_SEGMENT_MAX } from '../../../system/kexec-abi.ts'
import { type MemoryRange, roundUp, without } from '../../../system/memory-ranges.ts'
import { formatAddress, type PlannedSegment } from './segment.ts'

/** Something that needs a place in memory. Addresses and sizes in bytes. */
export interface Piece {
  readonly name: string
  /** What is copied there. */
  readonly length: number
  /** What it takes up: what lies behind the bytes copied becomes zeros. */
  readonly size: number
  readonly alignment: number
  /** Bytes behind a multiple of the alignment at which it begins; 0 when absent. */
  readonly offset?: number
  /** It may not begin below. */
  readonly lowest: number
  /** It may not reach beyond; Infinity for anywhere. */
  readonly limit: number
}

/**
 * Finds a place for each piece, one after the other, each at the lowest address that it can have. From the bottom up, since
 * firmware allocates from the top down: what it left in memory that it calls free, such as the tables that EFI's configuration
 * table points to, stays as it is.
 * @throws KexecError 'no-memory-hole'; 'kernel-refused' for more than 16 pieces
 */
export function place(pieces: readonly Piece[], usable: readonly MemoryRange[]): PlannedSegment[] {
  if (pieces.length > KEXEC_SEGMENT_MAX) {
    throw new KexecError(`the kernel takes ${pieces.length} segments, and kexec_load at most ${KEXEC_SEGMENT_MAX}`, {
      reason: 'kernel-refused',
      code: 'EINVAL',
      hint: 'Give a kernel in fewer pieces: its bzImage, where there is one.',
      refused: true,
    })
  }
  const placed: PlannedSegment[] = []
  for (const piece of pieces) {
    const free = without(
      usable,
      placed.map(({ address, size }) => ({ start: address, end: address + size })),
    )
    placed.push({ name: piece.name, address: addressFor(piece, free), size: piece.size, length: piece.length })
  }
  return placed.sort((a, b) => a.address - b.address)
}

/** Lays out in the memory that is preferred; where that has no room, anywhere: who cannot be placed there either is told why. */
export function layOutPreferring<Memory>(
  preferred: Memory | null,
  anywhere: Memory,
  layOut: (memory: Memory) => PlannedSegment[],
): PlannedSegment[] {
  if (preferred === null) return layOut(anywhere)
  try {
    return layOut(preferred)
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    return layOut(anywhere)
  }
}

function addressFor(piece: Piece, free: readonly MemoryRange[]): number {
  for (const { start, end } of free) {
    const { offset = 0 } = piece
    const address = roundUp(Math.max(start, piece.lowest, offset) - offset, piece.alignment) + offset
    if (address + piece.size <= Math.min(end, piece.limit)) return address
  }
  throw noRoom(piece, free)
}

function noRoom({ name, size, lowest, limit, alignment }: Piece, free: readonly MemoryRange[]): KexecError {
  const above = limit === Number.POSITIVE_INFINITY ? `above ${formatAddress(lowest)}` : between(lowest, limit)
  const largest = Math.max(0, ...free.map(({ start, end }) => Math.min(end, limit) - Math.max(start, lowest)))
  return new KexecError(`no free range of memory fits the ${name}: ${size} bytes ${above}`, {
    reason: 'no-memory-hole',
    code: 'EADDRNOTAVAIL',
    hint:
      name === 'initrd'
        ? 'Use a smaller initrd.'
        : 'Load it with `--engine file`, where the running kernel has kexec_file_load.',
    evidence: [
      { source: 'largest free range there', value: `${largest} bytes` },
      { source: 'alignment', value: `${alignment} bytes` },
    ],
    refused: true,
  })
}

function between(lowest: number, limit: number): string {
  return `between ${formatAddress(lowest)} and ${formatAddress(limit)}`
}

/** For a kernel whose header no loader could follow. @param numbers by the names of its fields; null for what it does not say */
export function impossiblePlace(numbers: Readonly<Record<string, number | null>>): KexecError {
  return new KexecError("the kernel's header asks for a place in memory that cannot be", {
    reason: 'damaged-image',
    hint: 'Copy or install the kernel again.',
    evidence: Object.entries(numbers).map(([source, value]) => ({ source, value: String(value) })),
    refused: true,
  })
}
