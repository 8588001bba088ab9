import type { FirmwareRange, Resource } from '../../../system/memory-map.ts'
import { type MemoryRange, within, without } from '../../../system/memory-ranges.ts'

/** One entry of the map for a new kernel: arch/x86/include/asm/e820/types.h. */
export interface E820Entry extends MemoryRange {
  readonly type: number
}

export const E820_RAM = 1
const E820_RESERVED = 2

/** Bytes of an entry: address and size of 8 bytes each, the type of 4. */
export const E820_ENTRY_SIZE = 20

/** The names of each type in e820_type_to_string of arch/x86/kernel/e820.c, which /sys/firmware/memmap shows. */
const types = new Map([
  ['System RAM', E820_RAM],
  ['Reserved', E820_RESERVED],
  ['ACPI Tables', 3],
  ['ACPI Non-volatile Storage', 4],
  ['Unusable memory', 5],
  ['Persistent Memory', 7],
  ['Persistent Memory (legacy)', 12],
  ['Soft Reserved', 0xefffffff],
])

/** Below 1 MiB the kernel itself makes its reservations, and the running one has already done so. */
const LOW_MEMORY = 0x100000

/**
 * The map for the new kernel: the firmware's, so that it is the same after any number of kexecs, even where the running
 * kernel left memory unused (mem=). Ranges that the running kernel has found reserved since stay reserved.
 * @param booted the map that the running kernel was booted with, for types without a name
 */
export function e820For(
  firmware: readonly FirmwareRange[],
  booted: readonly E820Entry[],
  resources: readonly Resource[],
): E820Entry[] {
  const map: readonly E820Entry[] =
    firmware.length === 0 ? booted : firmware.map((range) => ({ ...plain(range), type: typeOf(range, booted) }))
  const reserved = resources.filter(
    ({ depth, name, start }) => depth === 0 && name === 'Reserved' && start >= LOW_MEMORY,
  )
  const entries = map.flatMap((entry): E820Entry[] => {
    if (entry.type !== E820_RAM) return [entry]
    const free = without([entry], reserved).map((range) => ({ ...range, type: E820_RAM }))
    const held = within([entry], reserved).map((range) => ({ ...range, type: E820_RESERVED }))
    return [...free, ...held]
  })
  return entries.sort((a, b) => a.start - b.start)
}

function plain({ start, end }: MemoryRange): MemoryRange {
  return { start, end }
}

function typeOf({ type, start }: FirmwareRange, booted: readonly E820Entry[]): number {
  return types.get(type) ?? booted.find((entry) => entry.start === start)?.type ?? E820_RESERVED
}

/** Entries as the boot parameters have them. */
export function encodeE820(entries: readonly E820Entry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * E820_ENTRY_SIZE)
  for (const [index, { start, end, type }] of entries.entries()) {
    const at = index * E820_ENTRY_SIZE
    bytes.writeBigUInt64LE(BigInt(start), at)
    bytes.writeBigUInt64LE(BigInt(end - start), at + 8)
    bytes.writeUInt32LE(type, at + 16)
  }
  return bytes
}

/** Reads entries; impossible ones are left out. */
export function decodeE820(bytes: Buffer): E820Entry[] {
  const entries: E820Entry[] = []
  for (let at = 0; at + E820_ENTRY_SIZE <= bytes.length; at += E820_ENTRY_SIZE) {
    const start = Number(bytes.readBigUInt64LE(at))
    const end = start + Number(bytes.readBigUInt64LE(at + 8))
    if (end > start && end <= Number.MAX_SAFE_INTEGER) entries.push({ start, end, type: bytes.readUInt32LE(at + 16) })
  }
  return entries
}
