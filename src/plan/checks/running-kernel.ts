import { endianness, machine } from 'node:os'
import type { Evidence } from '../../errors.ts'
import type { System } from '../../system/system.ts'

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

/** The same word as `uname -m`, whatever the personality of the one who asks: kernel/utsname_sysctl.c, since Linux 6.1. */
const ARCHITECTURE = '/proc/sys/kernel/arch'

/** Every line begins with an address of the kernel's word size, of zeros for those who may not know it. */
const SYMBOLS = '/proc/kallsyms'

/**
 * Reads what the kernel says of itself. `uname -m` alone will not do: for a program under `setarch i386`, and for 32-bit
 * programs on arm64, POWER and s390, it names a 32-bit machine (override_architecture of kernel/sys.c).
 */
export function readRunningKernel(system: System): RunningKernel {
  const evidence: Evidence[] = []
  const add = <Value>(source: string, value: Value): Value => {
    if (value !== null && value !== undefined) evidence.push({ source, value: String(value) })
    return value
  }
  const told = add(ARCHITECTURE, system.readText(ARCHITECTURE)?.trim())
  const release = add('/proc/sys/kernel/osrelease', system.runningRelease())
  const architecture = told ?? (system.isLive ? trueArchitecture(system, add('uname -m', machine())) : null)
  if (told === undefined && architecture !== null)
    add(SYMBOLS, hasWideAddresses(system) ? '64-bit addresses' : undefined)
  const pageSize = add('/proc/self/auxv AT_PAGESZ', ownPageSize(system))
  return { architecture, pageSize, series: seriesOf(release), evidence }
}

/** 6012 of '6.12.107+deb12', to compare. */
function seriesOf(release: string | undefined): number | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? '') ?? []
  return major === undefined ? null : Number(major) * 1000 + Number(minor)
}

function hasWideAddresses(system: System): boolean {
  try {
    return /^[0-9a-f]{16} /.test(system.readHead(SYMBOLS, 17).toString('latin1'))
  } catch {
    return false
  }
}

const WIDE: readonly (readonly [RegExp, string])[] = [
  [/^i[3-6]86$/, 'x86_64'],
  [/^armv\d+b$/, 'aarch64_be'],
  [/^armv\d+/, 'aarch64'],
  [/^ppc$/, 'ppc64'],
  [/^ppcle$/, 'ppc64le'],
  [/^s390$/, 's390x'],
  [/^riscv32$/, 'riscv64'],
  [/^mips$/, 'mips64'],
]

/** What `uname -m` would say to a program of the kernel's own word size, of what it said to this one. */
export function trueArchitecture(system: System, named: string): string {
  if (!hasWideAddresses(system)) return named
  return WIDE.find(([pattern]) => pattern.test(named))?.[1] ?? named
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

/** What names one machine: `uname -m` differs by word size and byte order, kernel images by less. */
export function familyOf(architecture: string): string {
  if (/^i[3-6]86$/.test(architecture)) return 'i386'
  if (/^aarch64/.test(architecture)) return 'aarch64'
  if (/^arm/.test(architecture)) return 'arm'
  if (/^ppc64/.test(architecture)) return 'ppc64'
  return architecture
}

/** Architectures whose 64-bit machines run both: what counts is whether the CPU and the kernel's loader do. */
export function byteOrderOf(architecture: string): 'little' | 'big' {
  return /^(aarch64_be|arm.*b|ppc|ppc64|s390x?|mips|mips64|parisc(64)?|sparc(64)?)$/.test(architecture)
    ? 'big'
    : 'little'
}

/** Architectures whose kernels have the syscall, all of 64 bits: ARCH_SUPPORTS_KEXEC_FILE or its forerunners in arch/…/Kconfig. */
const WITH_KEXEC_FILE_LOAD = new Set(['x86_64', 'aarch64', 'ppc64', 's390x', 'riscv64', 'loongarch64', 'parisc64'])

/** False where no kernel of this architecture has kexec_file_load; true also where the architecture is not known. */
export function hasKexecFileLoad({ architecture }: RunningKernel): boolean {
  return architecture === null || WITH_KEXEC_FILE_LOAD.has(familyOf(architecture))
}
