import { machine } from 'node:os'
import type { System } from './system.ts'

/**
 * The same word as `uname -m`, even for a process with another personality: kernel/utsname_sysctl.c, since Linux 6.1.
 */
const ARCHITECTURE = '/proc/sys/kernel/arch'

/** Every line begins with an address of the kernel's word size, as zeros for users who may not know it. */
const SYMBOLS = '/proc/kallsyms'

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
  const told = system.readText(ARCHITECTURE)?.trim()
  if (told !== undefined) {
    see(ARCHITECTURE, told)
    return told
  }
  if (!system.isLive) return null
  see('uname -m', machine())
  if (hasWideAddresses(system)) see(SYMBOLS, '64-bit addresses')
  return trueArchitecture(system, machine())
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

/** The answer of `uname -m` to a program of the kernel's own word size, from its answer to this one. */
export function trueArchitecture(system: System, named: string): string {
  if (!hasWideAddresses(system)) return named
  return WIDE.find(([pattern]) => pattern.test(named))?.[1] ?? named
}

/** The formats that the two system calls take on one family of machines. */
export interface ArchitectureFacts {
  /**
   * Formats that kexec_file_load takes, and the series since which it does, 5019 for 5.19; a format that is not here
   * was taken from the beginning. Null where no kernel has the call: ARCH_SUPPORTS_KEXEC_FILE or its forerunners in
   * arch/…/Kconfig, 64 bits only. Vendors backport features.
   */
  readonly fileLoadSince: Readonly<Record<string, number>> | null
  /** ELF's number of the machine, include/uapi/linux/elf-em.h: kexec_load gets it in the upper half of its flags. */
  readonly elfMachine: number
  /** The largest page of its kernels, in bytes: segments of whole ones suit a running kernel of any page size. */
  readonly largestPage: number
}

/** By family. */
export const architectures = {
  x86_64: { fileLoadSince: {}, elfMachine: 62, largestPage: 4096 },
  i386: { fileLoadSince: null, elfMachine: 3, largestPage: 4096 },
  aarch64: { fileLoadSince: { 'arm64 Image': 5000 }, elfMachine: 183, largestPage: 65_536 },
  arm: { fileLoadSince: null, elfMachine: 40, largestPage: 4096 },
  riscv64: { fileLoadSince: { 'riscv Image': 6016, vmlinux: 5019 }, elfMachine: 243, largestPage: 4096 },
  ppc64: { fileLoadSince: {}, elfMachine: 21, largestPage: 65_536 },
  s390x: { fileLoadSince: { 's390 Image': 4017 }, elfMachine: 22, largestPage: 4096 },
  loongarch64: { fileLoadSince: { 'loongarch Image': 6018, vmlinux: 6018 }, elfMachine: 258, largestPage: 65_536 },
  parisc64: { fileLoadSince: {}, elfMachine: 15, largestPage: 4096 },
} as const satisfies Readonly<Record<string, ArchitectureFacts>>

/** Undefined for an unknown machine. @param architecture as `uname -m` prints it */
export function factsOf(architecture: string): ArchitectureFacts | undefined {
  return new Map<string, ArchitectureFacts>(Object.entries(architectures)).get(familyOf(architecture))
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
