import type { System } from '../../../system/system.ts'
import { decodeE820, E820_ENTRY_SIZE, type E820Entry } from './e820.ts'

/** Offsets of struct boot_params, arch/x86/include/uapi/asm/bootparam.h and Documentation/arch/x86/zero-page.rst. */
export const field = {
  screenInfo: 0x000,
  extendedMemory: 0x002,
  rsdp: 0x070,
  ramdiskImageHigh: 0x0c0,
  ramdiskSizeHigh: 0x0c4,
  commandLineHigh: 0x0c8,
  efiInfo: 0x1c0,
  alternativeMemory: 0x1e0,
  e820Count: 0x1e8,
  eddCount: 0x1ea,
  eddSignatureCount: 0x1eb,
  secureBoot: 0x1ec,
  header: 0x1f1,
  headerSize: 0x201,
  typeOfLoader: 0x210,
  loadFlags: 0x211,
  ramdiskImage: 0x218,
  ramdiskSize: 0x21c,
  commandLine: 0x228,
  subarchitecture: 0x23c,
  setupData: 0x250,
  eddSignatures: 0x290,
  e820: 0x2d0,
  edd: 0xd00,
  end: 0x1000,
} as const

/** Entries of the map that fit into the boot parameters. */
export const E820_MAX = 128

const BOOT_PARAMETERS = '/sys/kernel/boot_params/data'

/** The boot parameters that the running kernel was started with (arch/x86/kernel/ksysfs.c), or null. */
export function readBootParameters(system: System): Buffer | null {
  try {
    const bytes = system.readHead(BOOT_PARAMETERS, field.end)
    return bytes.length === field.end ? bytes : null
  } catch {
    return null
  }
}

/** The memory map in them, without the kernel's entries beyond 128. */
export function bootedE820(parameters: Buffer | null): E820Entry[] {
  if (parameters === null) return []
  const count = Math.min(parameters[field.e820Count] as number, E820_MAX)
  return decodeE820(parameters.subarray(field.e820, field.e820 + count * E820_ENTRY_SIZE))
}
