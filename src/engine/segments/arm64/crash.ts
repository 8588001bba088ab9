import { KexecError } from '../../../errors.ts'
import type { System } from '../../../system/system.ts'
import { CPUS, readNotes, unreadable } from '../crash-notes.ts'
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
const SYMBOLS = '/proc/kallsyms'

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
  if (region === undefined) {
    throw new KexecError('no memory is reserved for a crash kernel', {
      reason: 'no-crash-memory',
      code: 'EADDRNOTAVAIL',
      hint: 'Boot with crashkernel=256M on the kernel command line.',
      refused: true,
    })
  }
  const ram = merged(resources.filter(({ depth, name }) => depth === 0 && /^System RAM\b/.test(name)))
  const memory = without(ram, regions)
  const notes = readNotes(system)
  if (notes.length + memory.length >= MAX_ENTRIES) throw unreadable(CPUS, 'there are more CPUs than a dump can tell of')
  const mapped = { kernel: kernelMap(system, resources), directMap: directMap(system) }
  return { region, usable: regions, core: { machine: EM_AARCH64, notes, memory, ...mapped } }
}

/** Enough for the first symbols of the kernel, which are the lowest. */
const FIRST_SYMBOLS = 64 * 1024

/** The kernel's own code and data; where it maps them is random since the boot (KASLR). */
function kernelMap(system: System, resources: readonly Resource[]): MappedRange {
  const parts = resources.filter(({ name }) => /^Kernel (code|data)$/.test(name))
  const [, stext] =
    /^([0-9a-f]{16}) [Tt] _stext$/m.exec(readHead(system, SYMBOLS, FIRST_SYMBOLS).toString('latin1')) ?? []
  const virtual = BigInt(`0x${stext ?? 0}`)
  if (parts.length === 0 || virtual === 0n) throw unreadable(SYMBOLS, 'where the kernel maps itself cannot be read')
  // 'Kernel code' begins at _stext (setup_machine_fdt and request_standard_resources of arch/arm64/kernel/setup.c).
  const start = Math.min(...parts.map((part) => part.start))
  return { start, end: Math.max(...parts.map(({ end }) => end)), virtual }
}

const HEAD = 64 * 1024
const LOAD = 1
const ENTRY = 56

/** Of /proc/kcore, an ELF file of the running memory, which has virtual addresses with physical ones; others have −1. */
function directMap(system: System): bigint {
  const bytes = readHead(system, KCORE, HEAD)
  const count = bytes.length < 64 ? 0 : bytes.readUInt16LE(56)
  for (let at = 64; at + ENTRY <= Math.min(bytes.length, 64 + count * ENTRY); at += ENTRY) {
    const [virtual, start] = [bytes.readBigUInt64LE(at + 16), Number(bytes.readBigUInt64LE(at + 24))]
    const isMemory = bytes.readUInt32LE(at) === LOAD && start > 0 && Number.isSafeInteger(start)
    // The linear map is the lower half of the kernel's addresses: Documentation/arch/arm64/memory.rst.
    if (isMemory && virtual < UPPER_HALF) return virtual - BigInt(start)
  }
  throw unreadable(KCORE, 'where the kernel maps its memory cannot be read')
}

/** With 48 bits of address; with 52 it is lower. */
const UPPER_HALF = 0xffff800000000000n

function readHead(system: System, path: string, length: number): Buffer {
  try {
    return system.readHead(path, length)
  } catch {
    return Buffer.alloc(0)
  }
}
