import { KexecError } from '../../../errors.ts'
import { optionName } from '../../../option-name.ts'
import { architectures } from '../../../system/architecture.ts'
import type { Resource } from '../../../system/memory-map.ts'
import { type MemoryRange, merged, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { CPUS, noCrashMemory, readNotes, unreadable } from '../crash-dump/crash-notes.ts'
import { type CoreContents, MAX_ENTRIES, type MappedRange } from '../crash-dump/elf-core.ts'
import { type Mappings, readMappings } from '../crash-dump/kernel-mappings.ts'
import { E820_RAM, type E820Entry } from './e820.ts'

/** The memory and the inputs of a crash kernel. */
export interface CrashState {
  /** The range for all its segments, which the running kernel has reserved. */
  readonly region: MemoryRange
  /** The memory it may use, and the ranges it must know as reserved. */
  readonly e820: readonly E820Entry[]
  readonly core: CoreContents
  /**
   * Bytes that the running kernel wants for the ELF header, so that it can rewrite it when CPUs or memory come or go
   * (since Linux 6.6); 0 where it does not.
   */
  readonly headerSpace: number
}

/**
 * Below this address a running kernel since 5.6 has nothing that a dump needs, and the crash kernel may use it:
 * crash_reserve_low_1M.
 */
const LOW_MEMORY = 0x100000
const RESERVES_LOW_MEMORY = 5006

/**
 * Reads it, as arch/x86/kernel/crash.c does for kexec_file_load.
 * @param e820 the map that a regular new kernel would get
 * @throws KexecError 'no-crash-memory', 'not-readable', 'invalid-argument'
 */
export function readCrashState(system: System, resources: readonly Resource[], e820: readonly E820Entry[]): CrashState {
  refuseOldKernel(system.runningRelease())
  const regions = resources.filter(({ name }) => name === 'Crash kernel').sort((a, b) => a.start - b.start)
  // Of two regions, the lower one is for devices with a limited reach; the kernel takes no segments there.
  const region = regions.at(-1)
  if (region === undefined) throw noCrashMemory()
  const low = e820.filter(({ type }) => type === E820_RAM).flatMap(({ start, end }) => below(start, end))
  const own = [...low, ...regions.map(({ start, end }) => ({ start, end }))].map((each) => ({
    ...each,
    type: E820_RAM,
  }))
  const others = e820.filter(({ type }) => type !== E820_RAM)
  const ram = merged(resources.filter(({ depth, name }) => depth === 0 && /^System RAM\b/.test(name)))
  const memory = without(ram, [{ start: 0, end: LOW_MEMORY }, ...regions])
  const core = {
    machine: architectures.x86_64.elfMachine,
    notes: readNotes(system),
    memory,
    ...readMappings(system, seeMapping),
  }
  if (core.notes.length + memory.length >= MAX_ENTRIES)
    throw unreadable(CPUS, 'there are more CPUs than a dump can describe')
  return { region, e820: [...own, ...others].sort((a, b) => a.start - b.start), core, headerSpace: headerSpace(system) }
}

function below(start: number, end: number): MemoryRange[] {
  return start < LOW_MEMORY ? [{ start, end: Math.min(end, LOW_MEMORY) }] : []
}

/** With older kernels the loader of a crash kernel would have to save the first 640 KiB. */
function refuseOldKernel(release: string | undefined): void {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? '') ?? []
  if (major === undefined || Number(major) * 1000 + Number(minor) >= RESERVES_LOW_MEMORY) return
  throw new KexecError(
    `this version loads a crash kernel with kexec_load from Linux 5.6 on, and ${release} is running`,
    {
      reason: 'invalid-argument',
      hint: `Load it with ${optionName('engine', 'file')}.`,
      refused: true,
    },
  )
}

/** Where kernels map themselves, and where modules begin: Documentation/arch/x86/x86_64/mm.rst. */
const KERNEL_MAP = 0xffffffff80000000n
const KERNEL_MAP_END = 0xffffffffc0000000n

function seeMapping(range: MappedRange, found: Mappings): void {
  const isKernel = range.virtual >= KERNEL_MAP && range.virtual < KERNEL_MAP_END
  if (isKernel && range.start > 0) found.kernel = range
  else if (range.virtual < KERNEL_MAP) found.directMap ??= range.virtual - BigInt(range.start)
}

const MAX_HEADER_SPACE = 16 * 2 ** 20

function headerSpace(system: System): number {
  const paths = ['/sys/kernel/kexec/crash_elfcorehdr_size', '/sys/kernel/crash_elfcorehdr_size']
  const text = paths.map((path) => system.readText(path)?.trim()).find((each) => each !== undefined) ?? '0'
  const space = Number(text)
  return Number.isInteger(space) && space > 0 && space <= MAX_HEADER_SPACE ? space : 0
}
