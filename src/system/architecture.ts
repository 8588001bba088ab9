import { machine } from 'node:os'
import { hasWideAddresses, SYMBOLS } from './kernel-symbols.ts'
import type { System } from './system.ts'

/**
 * The same word as `uname -m`, even for a process with another personality: kernel/utsname_sysctl.c, since Linux 6.1.
 */
const ARCHITECTURE = '/proc/sys/kernel/arch'

/**
 * The running kernel's architecture, as `uname -m` prints it to a program of the kernel's own word size; null when
 * unknown. `uname -m` alone is not enough: for a program under `setarch i386`, and for 32-bit programs on arm64, POWER
 * and s390, it names a 32-bit machine (override_architecture of kernel/sys.c).
 * @param see gets each value, and its source
 */
export function readArchitecture(
  system: System,
  see: (source: string, value: string) => void = () => {},
): string | null {
  const name = system.readText(ARCHITECTURE)?.trim()
  if (name !== undefined) {
    see(ARCHITECTURE, name)
    return name
  }
  if (!system.isLive) return null
  see('uname -m', machine())
  if (hasWideAddresses(system)) see(SYMBOLS, '64-bit addresses')
  return trueArchitecture(system, machine())
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

/** The answer of `uname -m` to a program of the kernel's own word size, from its answer to this one. */
export function trueArchitecture(system: System, named: string): string {
  if (!hasWideAddresses(system)) return named
  return WIDE.find(([pattern]) => pattern.test(named))?.[1] ?? named
}

/** The facts of one family of machines: the inputs of its two system calls, and its kernels. */
export interface ArchitectureFacts {
  /** Its name in prose. */
  readonly label: string
  /**
   * Formats that kexec_file_load takes, and the series since which it does, 5019 for 5.19; 0 when it always did. Null where
   * no kernel has the call: ARCH_SUPPORTS_KEXEC_FILE or its forerunners in arch/…/Kconfig, and kexec_file_loaders of
   * arch/…/kernel; 64 bits only. Vendors backport features.
   */
  readonly fileLoadSince: Readonly<Record<string, number>> | null
  /** ELF's number of the machine, include/uapi/linux/elf-em.h: kexec_load gets it in the upper half of its flags. */
  readonly elfMachine: number
  /** The largest page of its kernels, in bytes: segments of whole ones suit a running kernel of any page size. */
  readonly largestPage: number
}

/** By family. */
export const architectures = {
  x86_64: { label: 'x86', fileLoadSince: { bzImage: 0 }, elfMachine: 62, largestPage: 4096 },
  i386: { label: '32-bit x86', fileLoadSince: null, elfMachine: 3, largestPage: 4096 },
  aarch64: { label: 'arm64', fileLoadSince: { 'arm64 Image': 5000 }, elfMachine: 183, largestPage: 65_536 },
  arm: { label: '32-bit ARM', fileLoadSince: null, elfMachine: 40, largestPage: 4096 },
  riscv64: {
    label: 'RISC-V',
    fileLoadSince: { 'riscv Image': 6016, vmlinux: 5019 },
    elfMachine: 243,
    largestPage: 4096,
  },
  ppc64: { label: 'POWER', fileLoadSince: { vmlinux: 0 }, elfMachine: 21, largestPage: 65_536 },
  s390x: { label: 's390x', fileLoadSince: { 's390 Image': 4017, vmlinux: 0 }, elfMachine: 22, largestPage: 4096 },
  loongarch64: {
    label: 'LoongArch',
    fileLoadSince: { 'loongarch Image': 6018, vmlinux: 6018 },
    elfMachine: 258,
    largestPage: 65_536,
  },
  // It has the call; this version recognizes none of its kernels.
  parisc64: { label: 'PA-RISC', fileLoadSince: {}, elfMachine: 15, largestPage: 4096 },
} as const satisfies Readonly<Record<string, ArchitectureFacts>>

/** The formats that kexec_file_load takes on some family. */
export type LoadedFormat = {
  [Family in keyof typeof architectures]: keyof (typeof architectures)[Family]['fileLoadSince']
}[keyof typeof architectures]

const families: ReadonlyMap<string, ArchitectureFacts> = new Map(Object.entries(architectures))

/** The number of MIPS, which has no family here: include/uapi/linux/elf-em.h. */
const EM_MIPS = 8

/** The machine of an ELF file as `uname -m` prints it; null for one whose kernels are not known here. */
export function architectureOfElf(file: {
  readonly machine: number
  readonly is64: boolean
  readonly byteOrder: 'little' | 'big'
}): string | null {
  if (file.machine === EM_MIPS) return file.is64 ? 'mips64' : 'mips'
  const family = [...families].find(([, { elfMachine }]) => elfMachine === file.machine)?.[0]
  if (family === 'arm') return 'armv7l'
  if (family === 'riscv64') return file.is64 ? 'riscv64' : 'riscv32'
  if (family === 'ppc64') return file.byteOrder === 'little' ? 'ppc64le' : 'ppc64'
  return family === undefined || family === 'parisc64' ? null : family
}

/** Undefined for an unknown machine. @param architecture as `uname -m` prints it */
export function factsOf(architecture: string): ArchitectureFacts | undefined {
  return families.get(familyOf(architecture))
}

/** The names of one machine: `uname -m` distinguishes word size and byte order, kernel images fewer of them. */
export function familyOf(architecture: string): string {
  if (/^i[3-6]86$/.test(architecture)) return 'i386'
  if (/^aarch64/.test(architecture)) return 'aarch64'
  if (/^arm/.test(architecture)) return 'arm'
  if (/^ppc64/.test(architecture)) return 'ppc64'
  return architecture
}

/** Architectures whose 64-bit machines run both: it matters whether the CPU and the kernel's loader do. */
export function byteOrderOf(architecture: string): 'little' | 'big' {
  return /^(aarch64_be|arm.*b|ppc|ppc64|s390x?|mips|mips64|parisc(64)?|sparc(64)?)$/.test(architecture)
    ? 'big'
    : 'little'
}

/** '5.19' for the series 5019. */
export function seriesName(series: number): string {
  return `${Math.floor(series / 1000)}.${series % 1000}`
}
