import { architectures } from '../../../system/architecture.ts'
import type { Resource } from '../../../system/memory-map.ts'
import { type MemoryRange, merged, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { CPUS, noCrashMemory, readNotes, unreadable } from '../crash-dump/crash-notes.ts'
import { type CoreContents, MAX_ENTRIES, type MappedRange } from '../crash-dump/elf-core.ts'
import { type Mappings, readMappings } from '../crash-dump/kernel-mappings.ts'

/** The memory and the inputs of a crash kernel. */
export interface CrashState {
  /** The range for all its segments, which the running kernel has reserved. */
  readonly region: MemoryRange
  /** The memory that it may use: that region first, then one for devices with a limited reach. */
  readonly usable: readonly MemoryRange[]
  readonly core: CoreContents
}

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
  if (notes.length + memory.length >= MAX_ENTRIES)
    throw unreadable(CPUS, 'there are more CPUs than a dump can describe')
  return {
    region,
    usable: regions,
    core: { machine: architectures.aarch64.elfMachine, notes, memory, ...readMappings(system, seeMapping) },
  }
}

/** With 48 bits of address; with 52 the map begins lower, and mapped memory still lies above. */
const UPPER_HALF = 0xffff800000000000n

/** The linear map is the lower half of the kernel's addresses: Documentation/arch/arm64/memory.rst. */
function seeMapping(range: MappedRange, found: Mappings): void {
  if (range.start === 0) return
  if (range.virtual < UPPER_HALF) found.directMap ??= range.virtual - BigInt(range.start)
  else found.kernel ??= range
}
