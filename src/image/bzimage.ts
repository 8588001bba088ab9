import { compressionAt, type ImageFormat, type KernelImage, magicAt, unknownImage } from './image.ts'
import { hasPeSignature } from './pe.ts'

/** Offsets of the x86 setup header, bytes from the start of the file: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
const header = {
  setupSectors: 0x1f1,
  paragraphs: 0x1f4,
  magic: 0x202,
  protocol: 0x206,
  versionPointer: 0x20e,
  loadFlags: 0x211,
  relocatable: 0x234,
  extendedLoadFlags: 0x236,
  commandLineSize: 0x238,
  payloadOffset: 0x248,
  initSize: 0x260,
  end: 0x264,
} as const

const SECTOR = 512
const PARAGRAPH = 16
const LOADED_HIGH = 1 << 0
const XLF_KERNEL_64 = 1 << 0
const XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1
const XLF_5LEVEL = 1 << 5

/** Problems that are also told by a field: so that whoever tells them by that can leave the sentence out. */
export const bzImageProblems = {
  /** `architecture` is 'i386'. */
  no64BitEntry: 'it has no 64-bit entry point (a 32-bit kernel)',
  /** `relocatable` is false. What is built without CONFIG_RELOCATABLE lacks the flag: arch/x86/boot/header.S. */
  boundToItsAddress: 'it cannot be loaded above 4 GiB (it was built without CONFIG_RELOCATABLE)',
} as const

/**
 * kexec_file_load keeps room for `elfcorehdr=0x…` and the NUL, whether or not a crash kernel is loaded
 * (MAX_ELFCOREHDR_STR_LEN 30, arch/x86/kernel/kexec-bzimage64.c). Seen alike on 6.1, 6.12 and 7.2: with a limit of 2047,
 * 2016 bytes load and 2017 are EINVAL.
 */
const ELFCOREHDR_RESERVE = 31

/** Linux/x86 boot protocol, Documentation/arch/x86/boot.rst. */
export const bzImage: ImageFormat = {
  name: 'bzImage',
  recognise: (head) => magicAt(head, header.magic, 'HdrS') && head.readUInt16LE(0x1fe) === 0xaa55,
  inspect,
}

function inspect(head: Buffer): KernelImage {
  if (head.length < header.end) {
    const problems = ['it ends inside its setup header']
    return {
      ...unknownImage,
      format: 'bzImage',
      description: 'a truncated x86 bzImage',
      minimumSize: header.end,
      problems,
    }
  }
  const setupBytes = ((head[header.setupSectors] || 4) + 1) * SECTOR
  const protocol = head.readUInt16LE(header.protocol)
  const xloadflags = protocol >= 0x20c ? head.readUInt16LE(header.extendedLoadFlags) : 0
  const is64 = (xloadflags & XLF_KERNEL_64) !== 0
  const isMovable = !is64 || (xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0
  const commandLineSize = protocol >= 0x206 ? head.readUInt32LE(header.commandLineSize) : 255
  const payload = protocol >= 0x208 ? setupBytes + head.readUInt32LE(header.payloadOffset) : undefined
  const versionString = readVersion(head, setupBytes)
  // Older protocols do not say which it is.
  const architecture = protocol < 0x20c ? null : is64 ? 'x86_64' : 'i386'
  const bits = architecture === null ? '' : ` (${is64 ? '64' : '32'} bits)`
  const version = versionString?.split(' ', 1)[0] ?? null
  const problems = loadProblems(head, protocol, xloadflags)
  return {
    ...unknownImage,
    format: 'bzImage',
    byteOrder: 'little',
    description: `an x86 bzImage${version === null ? '' : ` of Linux ${version}`}${bits}`,
    bootable: problems.length === 0,
    architecture,
    version,
    versionString,
    maxCommandLine: Math.max(0, commandLineSize - ELFCOREHDR_RESERVE),
    signature: hasPeSignature(head) ? 'present' : 'absent',
    compression: payload === undefined ? null : compressionAt(head, payload),
    relocatable: protocol >= 0x205 && head[header.relocatable] !== 0 && isMovable,
    memoryNeeded: protocol >= 0x20a ? head.readUInt32LE(header.initSize) : null,
    minimumSize: setupBytes + head.readUInt32LE(header.paragraphs) * PARAGRAPH,
    facts: is64
      ? [{ name: '5-level paging', value: (xloadflags & XLF_5LEVEL) !== 0 ? 'supported' : 'not supported' }]
      : [],
    problems,
  }
}

/** What bzImage64_probe of arch/x86/kernel/kexec-bzimage64.c refuses. */
function loadProblems(head: Buffer, protocol: number, xloadflags: number): string[] {
  const problems: string[] = []
  if (protocol < 0x20c) {
    problems.push(`boot protocol ${protocol >> 8}.${protocol & 255} is older than 2.12, which kexec_file_load needs`)
    return problems
  }
  if (((head[header.loadFlags] ?? 0) & LOADED_HIGH) === 0) problems.push('it is a zImage, loaded low, not a bzImage')
  if ((xloadflags & XLF_KERNEL_64) === 0) problems.push(bzImageProblems.no64BitEntry)
  else if ((xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) === 0) problems.push(bzImageProblems.boundToItsAddress)
  return problems
}

/** The NUL-terminated version line inside the setup sectors, or null when the pointer leads out of them. */
function readVersion(head: Buffer, setupBytes: number): string | null {
  const pointer = head.readUInt16LE(header.versionPointer)
  const start = pointer + SECTOR
  if (pointer === 0 || start >= Math.min(setupBytes, head.length)) return null
  const end = head.indexOf(0, start)
  if (end < 0 || end > setupBytes) return null
  const text = head.toString('latin1', start, end)
  return /^[\x20-\x7e]+$/.test(text) ? text : null
}
