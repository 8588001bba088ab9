import type { System } from '../../../system/system.ts'
import { CPUS, noCrashMemory, readNotes, unreadable } from '../crash-notes.ts'
import { type CoreContents, MAX_ENTRIES, type MappedRange } from '../elf-core.ts'
import type { Resource } from '../memory-map.ts'
import { type MemoryRange, merged, without } from '../ranges.ts'

/** What a crash kernel is loaded into, and told of. */
export interface CrashState {
  /** Where all of it must lie: what the running kernel has set aside. */
  readonly region: MemoryRange
  /** What it may use as memory: that region first, then one for devices that reach no further. */
  readonly usable: readonly MemoryRange[]
  readonly core: CoreContents
}

const EM_AARCH64 = 183
const KCORE = '/proc/kcore'

/**
 * Reads it, as load_other_segments and prepare_elf_headers of arch/arm64/kernel/machine_kexec_file.c do for kexec_file_load.
 * @throws KexecError 'no-crash-memory', 'not-readable'
 */
export function readCrashState(system: System, resources: readonly Resource[]): CrashState {
  const regions = resources
    .filter(({ name }) => name === 'Crash kernel')
    .map(({ start, end }) => ({ start, end }))
    .sort((a, b) => b.start - a.start)
  const [region] = regions
  if (region === undefined) throw noCrashMemory()
  const ram = merged(resources.filter(({ depth, name }) => depth === 0 && /^System RAM\b/.test(name)))
  const memory = without(ram, regions)
  const notes = readNotes(system)
  if (notes.length + memory.length >= MAX_ENTRIES) throw unreadable(CPUS, 'there are more CPUs than a dump can tell of')
  return { region, usable: regions, core: { machine: EM_AARCH64, notes, memory, ...readMappings(system) } }
}

const HEAD = 64 * 1024
const LOAD = 1
const ENTRY = 56

/**
 * Virtual addresses, random since the boot (KASLR): of the kernel's own code and data, and of the memory. /proc/kcore, an ELF
 * file of the running memory, has them with physical ones; those of others are −1 there.
 */
function readMappings(system: System): { kernel: MappedRange; directMap: bigint } {
  const bytes = readHead(system, KCORE, HEAD)
  let kernel: MappedRange | undefined
  let directMap: bigint | undefined
  const count = bytes.length < 64 ? 0 : bytes.readUInt16LE(56)
  for (let at = 64; at + ENTRY <= Math.min(bytes.length, 64 + count * ENTRY); at += ENTRY) {
    const [virtual, start] = [bytes.readBigUInt64LE(at + 16), Number(bytes.readBigUInt64LE(at + 24))]
    const size = Number(bytes.readBigUInt64LE(at + 40))
    const isMemory = bytes.readUInt32LE(at) === LOAD && start > 0 && size > 0 && Number.isSafeInteger(start + size)
    if (!isMemory) continue
    // The linear map is the lower half of the kernel's addresses: Documentation/arch/arm64/memory.rst.
    if (virtual < UPPER_HALF) directMap ??= virtual - BigInt(start)
    else kernel ??= { start, end: start + size, virtual }
  }
  if (kernel === undefined || directMap === undefined)
    throw unreadable(KCORE, 'where the kernel maps its memory cannot be read')
  return { kernel, directMap }
}

/** With 48 bits of address; with 52 it begins lower, and what is mapped there still lies above. */
const UPPER_HALF = 0xffff800000000000n

function readHead(system: System, path: string, length: number): Buffer {
  try {
    return system.readHead(path, length)
  } catch {
    return Buffer.alloc(0)
  }
}
