import type { ByteSource } from '../../../bytes/bytes.ts'
import { ELF_HEADER, PT_LOAD, programHeaderSize, readElfHeader, readProgramHeaders } from '../../../bytes/elf.ts'
import { type Evidence, KexecError } from '../../../errors.ts'
import { formatAddress } from './segment.ts'

const MAX_HEADERS = 128

/**
 * The largest kernel: KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h, where the kernel's own mapping has no
 * room for more. Those of other architectures are smaller.
 */
export const LARGEST = 2 ** 30

/** The limit for the first part's address in the program headers: further up than any kernel is linked to. */
export const HIGHEST = 2 ** 40

/** A part of a kernel that is loaded: a program header of the type PT_LOAD. */
export interface LoadedPart {
  readonly offset: number
  /** Lower 32 bits: all addresses of a kernel lie within 2 GiB, but above the exact range of a number. */
  readonly virtual: number
  readonly physical: number
  /** Bytes in the file. */
  readonly length: number
  /** Bytes in memory. */
  readonly size: number
}

/** A kernel that is an ELF file. */
export interface ElfKernel {
  /** The address of its first instruction, virtual or physical. */
  readonly entry: bigint
  /** Those that take up memory, by address; they do not overlap, and each lies inside the file. */
  readonly parts: readonly LoadedPart[]
}

/** @throws KexecError 'damaged-image', 'truncated-kernel' */
export function readElfKernel(source: ByteSource): ElfKernel {
  const header = readElfHeader(source.read(0, ELF_HEADER))
  if (!header?.is64 || header.byteOrder === 'big' || header.entry === null || header.table === null)
    throw damaged('it has no ELF header of 64 bits')
  const { entry, table } = header
  const [offset, size] = [Number(table.offset), programHeaderSize(header)]
  if (table.entrySize !== size || table.count > MAX_HEADERS) throw damaged('its table of program headers is impossible')
  const bytes = source.read(offset, table.count * size)
  if (bytes.length < table.count * size) throw truncated(offset + table.count * size, source)
  const parts = readProgramHeaders(bytes, header, size)
    .filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0)
    .map(({ offset, virtual, physical, fileSize, memorySize }) => ({
      offset: Number(offset),
      virtual: Number(BigInt.asUintN(32, virtual)),
      physical: Number(physical),
      length: Number(fileSize),
      size: Number(memorySize),
    }))
  return { entry, parts: checked(parts, source) }
}

function checked(headers: readonly LoadedPart[], source: ByteSource): LoadedPart[] {
  const sorted = [...headers].sort((a, b) => a.physical - b.physical)
  if (sorted.length === 0) throw damaged('it has nothing that is loaded')
  for (const [index, { offset, physical, length, size }] of sorted.entries()) {
    if (length > size || size > LARGEST || physical > HIGHEST) throw damaged('one of its parts is impossible', sorted)
    if (offset + length > source.size) throw truncated(offset + length, source)
    const next = sorted[index + 1]
    if (next !== undefined && physical + size > next.physical) throw damaged('its parts overlap', sorted)
  }
  return sorted
}

/** For a kernel in parts that no loader could follow. */
export function damaged(why: string, headers: readonly LoadedPart[] = []): KexecError {
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
