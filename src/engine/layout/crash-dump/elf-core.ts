import type { MemoryRange } from '../../../system/memory-ranges.ts'

/** A range of memory that the dump has as notes: registers of a CPU, or vmcoreinfo. Physical. */
export interface NoteRange {
  readonly address: number
  readonly size: number
}

/** A range that the kernel maps elsewhere than other memory: its own code and data. */
export interface MappedRange extends MemoryRange {
  readonly virtual: bigint
}

/** A crash kernel's view of the one that crashed. */
export interface CoreContents {
  /** e_machine of elf(5). */
  readonly machine: number
  readonly notes: readonly NoteRange[]
  readonly kernel: MappedRange
  readonly memory: readonly MemoryRange[]
  /** Where the kernel maps the first byte of the memory. */
  readonly directMap: bigint
}

const HEADER = 64
const ENTRY = 56
const NOTE = 4
const LOAD = 1
const READ_WRITE_EXECUTE = 7

/** Entries that e_phnum can count. */
export const MAX_ENTRIES = 0xfffe

/** Bytes of a header with this many entries. */
export function coreHeaderSize({ notes, memory }: CoreContents): number {
  return HEADER + (notes.length + 1 + memory.length) * ENTRY
}

/**
 * The ELF header of /proc/vmcore, as crash_prepare_elf64_headers of kernel/crash_core.c makes it. A crash kernel finds
 * it by elfcorehdr= on its command line, and turns its physical addresses into file offsets (fs/proc/vmcore.c).
 */
export function coreHeader(contents: CoreContents): Buffer {
  const bytes = Buffer.alloc(coreHeaderSize(contents))
  bytes.write('\x7fELF\x02\x01\x01', 'latin1')
  // ET_CORE, EV_CURRENT.
  bytes.writeUInt16LE(4, 16)
  bytes.writeUInt16LE(contents.machine, 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(BigInt(HEADER), 32)
  bytes.writeUInt16LE(HEADER, 52)
  bytes.writeUInt16LE(ENTRY, 54)
  let at = HEADER
  const add = (type: number, range: MemoryRange, virtual: bigint) => {
    const [start, size] = [BigInt(range.start), BigInt(range.end - range.start)]
    bytes.writeUInt32LE(type, at)
    bytes.writeUInt32LE(type === LOAD ? READ_WRITE_EXECUTE : 0, at + 4)
    for (const [index, word] of [start, virtual, start, size, size].entries()) {
      bytes.writeBigUInt64LE(BigInt.asUintN(64, word), at + 8 + index * 8)
    }
    at += ENTRY
  }
  for (const { address, size } of contents.notes) add(NOTE, { start: address, end: address + size }, 0n)
  add(LOAD, contents.kernel, contents.kernel.virtual)
  for (const range of contents.memory) add(LOAD, range, contents.directMap + BigInt(range.start))
  bytes.writeUInt16LE((at - HEADER) / ENTRY, 56)
  return bytes
}
