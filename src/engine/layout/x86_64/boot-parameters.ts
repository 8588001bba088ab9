import { commandLineBytes } from '../../../cmdline/parse.ts'
import { bytesOfText } from '../../../exact-text.ts'
import { E820_ENTRY_SIZE, E820_RAM, type E820Entry, encodeE820 } from './e820.ts'
import { type EfiState, efiInfo } from './efi-state.ts'
import { E820_MAX, field } from './running-boot.ts'
import { KASLR } from './vmlinux.ts'

/** The inputs of the new kernel, besides the places of its own parts. */
export interface BootFacts {
  /** The memory map. */
  readonly e820: readonly E820Entry[]
  /** The running kernel's boot parameters: the source of facts about the machine. */
  readonly running: Buffer | null
  readonly efi: EfiState | null
  /** The address of ACPI's root pointer, physical; 0n when the new kernel has to look for it. */
  readonly rsdp: bigint
  readonly commandLine: string
  /** For the new kernel's random numbers. */
  readonly seed: Buffer
}

/** The place of an initrd. */
export interface PlacedInitrd {
  readonly address: number
  readonly length: number
}

/** Types of struct setup_data: arch/x86/include/uapi/asm/setup_data.h. */
const SETUP_E820_EXT = 1
const SETUP_EFI = 4
const SETUP_RNG_SEED = 9

/** Of struct setup_data before its content: the next one's address, type, length. */
const SETUP_DATA_HEAD = 16

/** `type_of_loader`: kexec, as the kernel's own loader writes it; boot.rst. */
const KEXEC = 0xd0

/** The image's own bits of `loadflags`: loaded high, and (a vmlinux only) put at a random address. The rest is ours. */
const OF_THE_IMAGE = 1 | KASLR

/** The limit of the setup header's end: behind it in struct boot_params other fields begin. */
const HEADER_LIMIT = field.eddSignatures

/** Size of the boot parameters with all their parts, in bytes. */
export function bootParametersSize(facts: BootFacts): number {
  return layOut(facts).size
}

/**
 * The boot parameters (the "zero page") and, behind them, the command line, the EFI memory map and setup_data.
 * @param header the new kernel's first 1024 bytes at least
 * @param address the place of all of it, physical
 */
export function bootParameters(facts: BootFacts, header: Buffer, address: number, initrd: PlacedInitrd | null): Buffer {
  const { commandLine, efiMap, setupData, size } = layOut(facts)
  const bytes = Buffer.alloc(size)
  copyHeader(bytes, header)
  copyMachine(bytes, facts)
  writeMemory(bytes, facts.e820)
  bytesOfText(facts.commandLine).copy(bytes, commandLine)
  writeSplit(bytes, field.commandLine, field.commandLineHigh, address + commandLine)
  if (initrd !== null) {
    writeSplit(bytes, field.ramdiskImage, field.ramdiskImageHigh, initrd.address)
    writeSplit(bytes, field.ramdiskSize, field.ramdiskSizeHigh, initrd.length)
  }
  if (facts.efi !== null) {
    bytes[field.secureBoot] = facts.running?.[field.secureBoot] ?? 0
    writeEfi(bytes, facts.efi, { at: efiMap, address: address + efiMap })
  }
  for (const [index, { at, type, content }] of setupData.entries()) {
    const next = setupData[index + 1]
    bytes.writeBigUInt64LE(next === undefined ? 0n : BigInt(address + next.at), at)
    bytes.writeUInt32LE(type, at + 8)
    bytes.writeUInt32LE(content.length, at + 12)
    content.copy(bytes, at + SETUP_DATA_HEAD)
  }
  bytes.writeBigUInt64LE(BigInt(address + (setupData[0]?.at ?? 0)), field.setupData)
  return bytes
}

/** Where each part begins; the order and the sizes do not depend on the address. */
function layOut({ commandLine, efi, e820, seed }: BootFacts) {
  let size: number = field.end
  const take = (length: number) => {
    const at = size
    size = Math.ceil((at + length) / 16) * 16
    return at
  }
  const commandLineAt = take(commandLineBytes(commandLine) + 1)
  const efiMap = efi === null ? 0 : take(efi.runtimeMap.length)
  const parts: [type: number, content: Buffer][] = [[SETUP_RNG_SEED, seed]]
  if (efi !== null) parts.push([SETUP_EFI, efi.setupData])
  if (e820.length > E820_MAX) parts.push([SETUP_E820_EXT, encodeE820(e820.slice(E820_MAX))])
  const setupData = parts.map(([type, content]) => ({ type, content, at: take(SETUP_DATA_HEAD + content.length) }))
  return { commandLine: commandLineAt, efiMap, setupData, size }
}

/** The header's length is the second byte of the jump at its start: boot.rst, "64-bit boot protocol". */
function copyHeader(bytes: Buffer, header: Buffer): void {
  const end = Math.min(0x202 + (header[field.headerSize] ?? 0), HEADER_LIMIT)
  header.copy(bytes, field.header, field.header, end)
  bytes[field.typeOfLoader] = KEXEC
  bytes[field.loadFlags] = (header[field.loadFlags] ?? 0) & OF_THE_IMAGE
  // About the loader that read the file, if any.
  for (const each of [field.ramdiskImage, field.ramdiskSize, field.commandLine]) bytes.writeUInt32LE(0, each)
}

/** The running kernel's facts about the machine that are still true, as the kernel's own loader takes them over. */
function copyMachine(bytes: Buffer, { running, rsdp }: BootFacts): void {
  bytes.writeBigUInt64LE(rsdp, field.rsdp)
  if (running === null) return
  const copy = (start: number, length: number) => running.copy(bytes, start, start, start + length)
  copy(field.screenInfo, 64)
  copy(field.eddCount, 1)
  copy(field.eddSignatureCount, 1)
  copy(field.eddSignatures, 64)
  copy(field.edd, 492)
  copy(field.subarchitecture, 4)
  bytes.writeUInt16LE(0, field.extendedMemory)
}

function writeMemory(bytes: Buffer, e820: readonly E820Entry[]): void {
  const MEGABYTE = 0x100000
  const first = e820.slice(0, E820_MAX)
  encodeE820(first).copy(bytes, field.e820, 0, first.length * E820_ENTRY_SIZE)
  bytes[field.e820Count] = first.length
  const above = e820.find(({ start, end, type }) => type === E820_RAM && start <= MEGABYTE && end > MEGABYTE)
  if (above === undefined) return
  // In KiB, for kernels that read no other source: int 15h, functions 88h and e801h.
  const kilobytes = (above.end - MEGABYTE) / 1024
  bytes.writeUInt16LE(Math.min(kilobytes, 0xfc00), field.extendedMemory)
  bytes.writeUInt32LE(Math.min(kilobytes, 0xffffffff), field.alternativeMemory)
}

function writeEfi(bytes: Buffer, efi: EfiState, map: { at: number; address: number }): void {
  efi.information.copy(bytes, field.efiInfo)
  bytes.writeUInt32LE(efi.descriptorSize, field.efiInfo + efiInfo.descriptorSize)
  bytes.writeUInt32LE(efi.runtimeMap.length, field.efiInfo + efiInfo.memoryMapSize)
  writeSplit(bytes, field.efiInfo + efiInfo.memoryMap, field.efiInfo + efiInfo.memoryMapHigh, map.address)
  efi.runtimeMap.copy(bytes, map.at)
}

/** Lower and upper 32 bits, which lie apart. */
function writeSplit(bytes: Buffer, low: number, high: number, value: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, low)
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), high)
}
