import { KexecError } from '../../../errors.ts'
import { optionName } from '../../../option-name.ts'
import { KEXEC_SEGMENT_MAX } from '../../../system/kexec-abi.ts'
import { type MemoryRange, roundUp, without } from '../../../system/memory-ranges.ts'
import { formatAddress, type PlannedSegment } from './segment.ts'

/** A part that needs a place in memory. Addresses and sizes in bytes. */
export interface Piece {
  readonly name: string
  /** The bytes that are copied there. */
  readonly length: number
  /** Its size in memory: the rest behind the copied bytes becomes zeros. */
  readonly size: number
  readonly alignment: number
  /** Bytes behind a multiple of the alignment at which it begins; 0 when absent. */
  readonly offset?: number
  /** The lowest address of its beginning. */
  readonly lowest: number
  /** The highest address of its end; Infinity for anywhere. */
  readonly limit: number
}

/**
 * Finds a place for each piece in sequence, each at its lowest possible address. From the bottom up, since firmware
 * allocates from the top down: data that it left in memory it calls free, such as the tables that EFI's configuration
 * table points to, stays intact.
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

/**
 * Lays out in the preferred memory; where that has no room, anywhere. The error of the second attempt is the one
 * thrown.
 */
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
        : `Load it with ${optionName('engine', 'file')}, where the running kernel has kexec_file_load.`,
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

/**
 * For a kernel whose header no loader could follow. @param numbers by the names of its fields; null for absent fields
 */
export function impossiblePlace(numbers: Readonly<Record<string, number | null>>): KexecError {
  return new KexecError("the kernel's header asks for an impossible place in memory", {
    reason: 'damaged-image',
    hint: 'Copy or install the kernel again.',
    evidence: Object.entries(numbers).map(([source, value]) => ({ source, value: String(value) })),
    refused: true,
  })
}
