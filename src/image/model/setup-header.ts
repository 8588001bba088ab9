import type { ByteSource } from '../../bytes/bytes.ts'
import { compressionAt, magicAt } from './magic.ts'

/** A bzImage's facts for boot loaders: Documentation/arch/x86/boot.rst. null where its protocol is too old for one. */
export interface SetupHeader {
  /** Version of the boot protocol: '2.15'. */
  readonly protocol: string
  /** Bytes before the protected-mode kernel: boot sector and setup code. */
  readonly setupSize: number
  /** The end of the protected-mode kernel by the header (setup and syssize), in bytes from the start of the file. */
  readonly end: number
  /** 'loaded-high', 'kaslr', 'quiet', 'keep-segments', 'can-use-heap'. */
  readonly loadFlags: readonly string[]
  /** 'kernel-64', 'above-4g', 'efi-handover-32', 'efi-handover-64', 'efi-kexec', '5-level', '5-level-enabled', 'memory-encryption'. */
  readonly extendedLoadFlags: readonly string[]
  /** Longest command line by the protocol, in bytes without the NUL; kexec_file_load takes less. */
  readonly commandLineSize: number
  /** Highest address of the last byte of an initrd for boot loaders that ignore 'above-4g'. */
  readonly initrdAddressMaximum: number | null
  /** Its alignment in memory, in bytes, if it is relocatable. */
  readonly kernelAlignment: number | null
  /** The same when memory is short. */
  readonly minimumAlignment: number | null
  readonly preferredAddress: number | null
  /** Memory it needs from its load address on until it knows its memory map, in bytes. */
  readonly initSize: number | null
  /** The compressed kernel inside, as it lies in the file; null when the protocol is older than 2.08 or it has none. */
  readonly payload: SetupPayload | null
  /** Offset of the EFI handover entry in the protected-mode kernel; null when it has none. */
  readonly handoverOffset: number | null
  /**
   * Highest type of setup_data it takes, without the mark of the indirect ones; null when it names none or that part is
   * not available.
   */
  readonly setupTypeMaximum: number | null
}

export interface SetupPayload {
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  readonly compression: string | null
  /** The value of the last four bytes, which the build writes; null when they are not available. */
  readonly unpackedSize: number | null
}

/** Offsets of the fields, bytes from the start of the file: boot.rst, "The Real-Mode Kernel Header". */
const field = {
  setupSectors: 0x1f1,
  paragraphs: 0x1f4,
  protocol: 0x206,
  loadFlags: 0x211,
  initrdAddressMaximum: 0x22c,
  kernelAlignment: 0x230,
  minimumAlignment: 0x235,
  extendedLoadFlags: 0x236,
  commandLineSize: 0x238,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
  preferredAddress: 0x258,
  initSize: 0x260,
  handoverOffset: 0x264,
  kernelInfoOffset: 0x268,
} as const

/** The header's own end up to protocol 2.15. */
export const SETUP_HEADER_END = 0x26c

const SECTOR = 512
/** The unit of syssize, bytes. */
export const PARAGRAPH = 16

/** By bit; include/uapi/asm/bootparam.h of arch/x86. */
const loadFlags = new Map([
  [0, 'loaded-high'],
  [1, 'kaslr'],
  [5, 'quiet'],
  [6, 'keep-segments'],
  [7, 'can-use-heap'],
])
const extendedLoadFlags = new Map([
  [0, 'kernel-64'],
  [1, 'above-4g'],
  [2, 'efi-handover-32'],
  [3, 'efi-handover-64'],
  [4, 'efi-kexec'],
  [5, '5-level'],
  [6, '5-level-enabled'],
  [7, 'memory-encryption'],
])

/**
 * Reads the setup header. A head that is too short counts as continued with zeros.
 * @param source the whole file, for the parts behind the head: kernel_info and the payload's size
 */
export function readSetupHeader(head: Buffer, source?: ByteSource): SetupHeader {
  const bytes = head.length >= SETUP_HEADER_END ? head : Buffer.concat([head, Buffer.alloc(SETUP_HEADER_END)])
  const protocol = bytes.readUInt16LE(field.protocol)
  const word = (since: number, offset: number) => (protocol >= since ? bytes.readUInt32LE(offset) : null)
  const setupSize = ((bytes[field.setupSectors] || 4) + 1) * SECTOR
  // Before 2.04 only the lower half of syssize counts, and no kernel that large from that time is left.
  const end = setupSize + bytes.readUInt32LE(field.paragraphs) * PARAGRAPH
  const preferred = protocol >= 0x20a ? bytes.readBigUInt64LE(field.preferredAddress) : null
  return {
    protocol: `${protocol >> 8}.${String(protocol & 255).padStart(2, '0')}`,
    setupSize,
    end,
    loadFlags: namesOf(bytes[field.loadFlags] as number, loadFlags),
    extendedLoadFlags: protocol >= 0x20c ? namesOf(bytes.readUInt16LE(field.extendedLoadFlags), extendedLoadFlags) : [],
    commandLineSize: word(0x206, field.commandLineSize) ?? 255,
    initrdAddressMaximum: word(0x203, field.initrdAddressMaximum),
    kernelAlignment: word(0x205, field.kernelAlignment),
    minimumAlignment: protocol >= 0x20a ? 2 ** (bytes[field.minimumAlignment] as number) : null,
    preferredAddress: preferred !== null && preferred <= Number.MAX_SAFE_INTEGER ? Number(preferred) : null,
    initSize: word(0x20a, field.initSize),
    payload: protocol >= 0x208 ? readPayload(bytes, setupSize, source) : null,
    handoverOffset: word(0x20b, field.handoverOffset) || null,
    setupTypeMaximum: protocol >= 0x20f ? readSetupTypeMaximum(bytes, setupSize, source) : null,
  }
}

function namesOf(bits: number, names: ReadonlyMap<number, string>): string[] {
  return [...names].filter(([bit]) => bits & (1 << bit)).map(([, name]) => name)
}

function readPayload(head: Buffer, setupSize: number, source: ByteSource | undefined): SetupPayload | null {
  const offset = setupSize + head.readUInt32LE(field.payloadOffset)
  const length = head.readUInt32LE(field.payloadLength)
  if (length === 0) return null
  const start = offset + 8 <= head.length ? head.subarray(offset, offset + 8) : source?.read(offset, 8)
  const last = length >= 4 ? source?.read(offset + length - 4, 4) : undefined
  return {
    offset,
    length,
    compression: start === undefined ? null : compressionAt(start, 0),
    unpackedSize: last?.length === 4 ? last.readUInt32LE(0) : null,
  }
}

/** kernel_info lies in the protected-mode kernel: boot.rst, "The kernel_info". */
function readSetupTypeMaximum(head: Buffer, setupSize: number, source: ByteSource | undefined): number | null {
  const offset = setupSize + head.readUInt32LE(field.kernelInfoOffset)
  const info = offset + 16 <= head.length ? head.subarray(offset, offset + 16) : source?.read(offset, 16)
  if (info?.length !== 16 || !magicAt(info, 0, 'LToP') || info.readUInt32LE(4) < 16) return null
  return info.readUInt32LE(12) & 0x7fffffff
}
