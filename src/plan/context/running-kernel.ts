import { endianness } from 'node:os'
import type { Evidence } from '../../errors.ts'
import { familyOf, readArchitecture } from '../../system/architecture.ts'
import type { System } from '../../system/system.ts'

export { byteOrderOf, familyOf, trueArchitecture } from '../../system/architecture.ts'

/** What is known of the kernel that runs and would be asked to load another. */
export interface RunningKernel {
  /** As `uname -m` prints it to a program of the kernel's own word size; null when it is not known. */
  readonly architecture: string | null
  /** Bytes; null when it is not known. */
  readonly pageSize: number | null
  /** Its version as a number to compare, 6.12 as 6012; null when it is not known. */
  readonly series: number | null
  readonly evidence: readonly Evidence[]
}

/** Reads what the kernel says of itself. */
export function readRunningKernel(system: System): RunningKernel {
  const evidence: Evidence[] = []
  const add = <Value>(source: string, value: Value): Value => {
    if (value !== null && value !== undefined) evidence.push({ source, value: String(value) })
    return value
  }
  const architecture = readArchitecture(system, add)
  const release = add('/proc/sys/kernel/osrelease', system.runningRelease())
  const pageSize = add('/proc/self/auxv AT_PAGESZ', ownPageSize(system))
  return { architecture, pageSize, series: seriesOf(release), evidence }
}

/** 6012 of '6.12.107+deb12', to compare. */
function seriesOf(release: string | undefined): number | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? '') ?? []
  return major === undefined ? null : Number(major) * 1000 + Number(minor)
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
    // Without /proc it is not known.
  }
  return null
}

/** Architectures whose kernels have the syscall, all of 64 bits: ARCH_SUPPORTS_KEXEC_FILE or its forerunners in arch/…/Kconfig. */
const WITH_KEXEC_FILE_LOAD = new Set(['x86_64', 'aarch64', 'ppc64', 's390x', 'riscv64', 'loongarch64', 'parisc64'])

/** False where no kernel of this architecture has kexec_file_load; true also where the architecture is not known. */
export function hasKexecFileLoad({ architecture }: RunningKernel): boolean {
  return architecture === null || WITH_KEXEC_FILE_LOAD.has(familyOf(architecture))
}
