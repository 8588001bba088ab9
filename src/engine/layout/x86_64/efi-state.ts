import type { System } from '../../../system/system.ts'
import { field } from './running-boot.ts'

/** The state that an EFI machine's new kernel needs to find its firmware again; all of it read from the running one. */
export interface EfiState {
  /** struct efi_info of the running kernel's boot parameters: the place of the system table. */
  readonly information: Buffer
  /** The memory of the runtime services, as the firmware's own descriptors. */
  readonly runtimeMap: Buffer
  /** Bytes of each descriptor. */
  readonly descriptorSize: number
  /** struct efi_setup_data. */
  readonly setupData: Buffer
}

const EFI = '/sys/firmware/efi'

/** Bytes of struct efi_info, and its fields: arch/x86/include/uapi/asm/bootparam.h. */
export const efiInfo = {
  length: 32,
  signature: 0,
  descriptorSize: 8,
  memoryMap: 16,
  memoryMapSize: 20,
  memoryMapHigh: 28,
} as const

/** The minimum size of a descriptor, in bytes: EFI_MEMORY_DESCRIPTOR of the UEFI specification. Firmware has 48. */
const DESCRIPTOR = 40
const MAX_DESCRIPTOR = 256
const MAX_DESCRIPTORS = 4096

/** struct efi_setup_data of arch/x86/include/asm/efi.h: four addresses and eight reserved words. */
const SETUP_DATA = 96

/**
 * Reads it; null where the new kernel gets none: no EFI, an EFI of 32 bits, or runtime services that are off
 * (efi=noruntime, real-time kernels). The kernel's own loader passes the same (setup_efi_state of
 * arch/x86/kernel/kexec-bzimage64.c).
 */
export function readEfiState(system: System, parameters: Buffer | null): EfiState | null {
  if (parameters === null) return null
  const information = Buffer.from(parameters.subarray(field.efiInfo, field.efiInfo + efiInfo.length))
  if (information.toString('latin1', 0, 4) !== 'EL64') return null
  const reported = information.readUInt32LE(efiInfo.descriptorSize)
  const descriptorSize = reported >= DESCRIPTOR && reported <= MAX_DESCRIPTOR ? reported : DESCRIPTOR
  const runtimeMap = readRuntimeMap(system, descriptorSize)
  const vendor = readNumber(system, `${EFI}/fw_vendor`)
  const tables = readNumber(system, `${EFI}/config_table`)
  if (runtimeMap === null || vendor === null || tables === null) return null
  const setupData = Buffer.alloc(SETUP_DATA)
  // `runtime` is only read by kernels before 5.7, and only shown by kernels that may start such.
  const [, smbios] = /^SMBIOS=(0x[0-9a-f]+)$/m.exec(system.readText(`${EFI}/systab`) ?? '') ?? []
  const words = [vendor, readNumber(system, `${EFI}/runtime`) ?? 0n, tables, BigInt(smbios ?? 0)]
  for (const [index, word] of words.entries()) setupData.writeBigUInt64LE(word, index * 8)
  return { information, runtimeMap, descriptorSize, setupData }
}

/** /sys/firmware/efi/runtime-map: Documentation/ABI/testing/sysfs-firmware-efi-runtime-map. Null when it may not be read. */
function readRuntimeMap(system: System, descriptorSize: number): Buffer | null {
  const directory = `${EFI}/runtime-map`
  const names = system.list(directory).filter((name) => /^\d+$/.test(name))
  if (names.length === 0 || names.length > MAX_DESCRIPTORS) return null
  const descriptors = names
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => {
      const read = (file: string) => readNumber(system, `${directory}/${name}/${file}`)
      const words = [read('type'), read('phys_addr'), read('virt_addr'), read('num_pages'), read('attribute')]
      if (words.some((word) => word === null)) return null
      const descriptor = Buffer.alloc(descriptorSize)
      for (const [index, word] of words.entries()) descriptor.writeBigUInt64LE(word as bigint, index * 8)
      return descriptor
    })
  return descriptors.some((descriptor) => descriptor === null) ? null : Buffer.concat(descriptors as Buffer[])
}

/** A number in sysfs, '0x3e5ebb98'; null for other texts and for more than 64 bits. */
function readNumber(system: System, path: string): bigint | null {
  const text = system.readText(path)?.trim() ?? ''
  return /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text) : null
}
