import { endianness } from 'node:os'
import type { Evidence } from '../../errors.ts'
import { factsOf, readArchitecture } from '../../system/architecture.ts'
import { type LoadStatus, status } from '../../system/kexec-state.ts'
import type { System } from '../../system/system.ts'

/** The known facts about the running machine, whose kernel would load the other one. */
export interface RunningMachine {
  /** As `uname -m` prints it to a program of the kernel's own word size; null when unknown. */
  readonly architecture: string | null
  /** Bytes; null when unknown. */
  readonly pageSize: number | null
  /** Its version as a number to compare, 6.12 as 6012; null when unknown. */
  readonly series: number | null
  /** As `uname -r` prints it. */
  readonly release: string | null
  /** The flags of the first CPU; none where they are unknown, and on other machines than x86. */
  readonly flags: ReadonlySet<string>
  readonly commandLine: string | undefined
  /** The kernels that are loaded already, and the memory reserved for a crash kernel. */
  readonly held: LoadStatus
  /** Of architecture, release and page size. */
  readonly evidence: readonly Evidence[]
}

/** Reads the kernel's own description of itself and the machine. */
export function readRunningMachine(system: System): RunningMachine {
  const evidence: Evidence[] = []
  const add = <Value>(source: string, value: Value): Value => {
    if (value !== null && value !== undefined) evidence.push({ source, value: String(value) })
    return value
  }
  const architecture = readArchitecture(system, add)
  const release = add('/proc/sys/kernel/osrelease', system.runningRelease())
  const pageSize = add('/proc/self/auxv AT_PAGESZ', ownPageSize(system))
  return {
    architecture,
    pageSize,
    series: seriesOf(release),
    release: release ?? null,
    flags: readFlags(system),
    commandLine: system.runningCommandLine(),
    held: status(system),
    evidence,
  }
}

/** 6012 of '6.12.107+deb12', to compare. */
function seriesOf(release: string | undefined): number | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? '') ?? []
  return major === undefined ? null : Number(major) * 1000 + Number(minor)
}

/** One CPU stands for all: its flags come within the first bytes. */
const FIRST_CPU = 16 * 1024

function readFlags(system: System): ReadonlySet<string> {
  try {
    const text = system.readHead('/proc/cpuinfo', FIRST_CPU).toString('latin1')
    return new Set(/^flags\s*:(.*)$/m.exec(text)?.[1]?.trim().split(' '))
  } catch {
    return new Set()
  }
}

/** include/uapi/linux/auxvec.h */
const AT_PAGESZ = 6
const NARROW = new Set(['arm', 'ia32', 'mips', 'mipsel', 'ppc', 's390'])

/** The auxiliary vector of this process: pairs of a key and a value, each of the process's word size. */
function ownPageSize(system: System): number | null {
  try {
    const vector = system.readHead('/proc/self/auxv', 4096)
    const width = NARROW.has(process.arch) ? 4 : 8
    const word = (at: number) => (endianness() === 'LE' ? vector.readUInt32LE(at) : vector.readUInt32BE(at + width - 4))
    for (let at = 0; at + 2 * width <= vector.length; at += 2 * width) {
      if (word(at) === AT_PAGESZ) return word(at + width)
    }
  } catch {
    // Without /proc it is unknown.
  }
  return null
}

/** False where no kernel of this architecture has kexec_file_load; true where the architecture is unknown. */
export function hasKexecFileLoad({ architecture }: RunningMachine): boolean {
  return architecture === null || (factsOf(architecture)?.fileLoadSince ?? null) !== null
}
