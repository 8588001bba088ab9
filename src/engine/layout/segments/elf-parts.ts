import type { ByteSource } from '../../../bytes/bytes.ts'
import { type Evidence, KexecError } from '../../../errors.ts'
import { formatAddress } from './segment.ts'

export const ELF_HEADER = 64
const MAX_HEADERS = 128
const HEADER = 56
const LOAD = 1

/**
 * The largest kernel: KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h, where the kernel's own mapping has no
 * room for more. Those of other architectures are smaller.
 */
export const LARGEST = 2 ** 30

/** The limit for the first part's address in the program headers: further up than any kernel is linked to. */
export const HIGHEST = 2 ** 40

/** A PT_LOAD, of the gABI's ELF64 program headers. */
export interface ProgramHeader {
  readonly offset: number
  /** Lower 32 bits: all addresses of a kernel lie within 2 GiB, but above the exact range of a number. */
  readonly virtual: number
  readonly physical: number
  /** Bytes in the file. */
  readonly length: number
  /** Bytes in memory. */
  readonly size: number
}

/** Loaded parts that take up memory, by address; they do not overlap, and each lies inside the file. */
export function readProgramHeaders(source: ByteSource, head: Buffer): ProgramHeader[] {
  const is64 = head.length === ELF_HEADER && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2 && head[5] === 1
  if (!is64) throw damaged('it has no ELF header of 64 bits')
  const [table, size, count] = [number(head, 32), head.readUInt16LE(54), head.readUInt16LE(56)]
  if (size !== HEADER || count > MAX_HEADERS) throw damaged('its table of program headers cannot be')
  const bytes = source.read(table, count * HEADER)
  if (bytes.length < count * HEADER) throw truncated(table + count * HEADER, source)
  const headers: ProgramHeader[] = []
  for (let at = 0; at < bytes.length; at += HEADER) {
    const header = {
      offset: number(bytes, at + 8),
      virtual: bytes.readUInt32LE(at + 16),
      physical: number(bytes, at + 24),
      length: number(bytes, at + 32),
      size: number(bytes, at + 40),
    }
    if (bytes.readUInt32LE(at) === LOAD && header.size > 0) headers.push(header)
  }
  return checked(headers, source)
}

function checked(headers: readonly ProgramHeader[], source: ByteSource): ProgramHeader[] {
  const sorted = [...headers].sort((a, b) => a.physical - b.physical)
  if (sorted.length === 0) throw damaged('it has nothing that is loaded')
  for (const [index, { offset, physical, length, size }] of sorted.entries()) {
    if (length > size || size > LARGEST || physical > HIGHEST) throw damaged('a part of it cannot be', sorted)
    if (offset + length > source.size) throw truncated(offset + length, source)
    const next = sorted[index + 1]
    if (next !== undefined && physical + size > next.physical) throw damaged('its parts overlap', sorted)
  }
  return sorted
}

/** Rounded beyond 53 bits: every value used is checked to be less, or only its lower half counts. */
export function number(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at))
}

/** For a kernel in parts that no loader could follow. */
export function damaged(why: string, headers: readonly ProgramHeader[] = []): KexecError {
  const evidence = headers.slice(0, 16).map(({ physical, length, size }): Evidence => {
    return { source: 'PT_LOAD', value: `${formatAddress(physical)}, ${length} bytes of ${size}` }
  })
  return new KexecError(`this vmlinux cannot be laid out: ${why}`, {
    reason: 'damaged-image',
    hint: 'Copy or build the kernel again.',
    evidence,
    refused: true,
  })
}

function truncated(end: number, { size }: ByteSource): KexecError {
  return new KexecError(`this vmlinux is cut off: it has ${size} bytes where its headers ask for ${end}`, {
    reason: 'truncated-kernel',
    hint: 'Copy or build the kernel again.',
    refused: true,
  })
}
