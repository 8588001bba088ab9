import { type EfiStub, type ImageFormat, type KernelImage, magicAt, unknownImage } from '../model/image.ts'
import { PARAGRAPH, readSetupHeader, type SetupHeader } from '../model/setup-header.ts'
import { efiStubOf, hasPeSignature } from './pe.ts'

/** Offsets of the rest of the x86 setup header, bytes from the start of the file. */
const header = { magic: 0x202, protocol: 0x206, versionPointer: 0x20e, relocatable: 0x234, end: 0x264 } as const

const SECTOR = 512

/** Problems that a field shows as well, so that a reader of the field can leave out the sentence. */
export const bzImageProblems = {
  /** `minimumSize` exceeds the file. */
  cutOff: 'it ends inside its setup header',
  /** `architecture` is 'i386'. */
  no64BitEntry: 'it has no 64-bit entry point (a 32-bit kernel)',
  /** `relocatable` is false. A kernel built without CONFIG_RELOCATABLE lacks the flag: arch/x86/boot/header.S. */
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
    const problems = [bzImageProblems.cutOff]
    return {
      ...unknownImage,
      format: 'bzImage',
      description: 'a truncated x86 bzImage',
      minimumSize: header.end,
      problems,
    }
  }
  const setupHeader = readSetupHeader(head)
  const { commandLineSize, extendedLoadFlags, setupSize } = setupHeader
  const protocol = head.readUInt16LE(header.protocol)
  const is64 = extendedLoadFlags.includes('kernel-64')
  const isMovable = !is64 || extendedLoadFlags.includes('above-4g')
  const versionString = readVersion(head, setupSize)
  // Older protocols do not show it.
  const architecture = protocol < 0x20c ? null : is64 ? 'x86_64' : 'i386'
  const bits = architecture === null ? '' : ` (${is64 ? '64' : '32'} bits)`
  // For other programs that boot loaders start this way, such as Memtest86+, it is a name.
  const isRelease = versionString !== null && /^\d+\.\d/.test(versionString)
  const version = isRelease ? (versionString.split(' ', 1)[0] as string) : null
  const of = versionString === null ? '' : isRelease ? ` of Linux ${version}` : ` of ${versionString}, not of Linux`
  const problems = [...loadProblems(setupHeader, protocol), ...payloadProblems(setupHeader)]
  return {
    ...unknownImage,
    format: 'bzImage',
    byteOrder: 'little',
    description: `an x86 bzImage${of}${bits}`,
    bootable: problems.length === 0,
    architecture,
    version,
    versionString,
    maxCommandLine: Math.max(0, commandLineSize - ELFCOREHDR_RESERVE),
    signature: hasPeSignature(head) ? 'present' : 'absent',
    compression: setupHeader.payload?.compression ?? null,
    relocatable: protocol >= 0x205 && head[header.relocatable] !== 0 && isMovable,
    memoryNeeded: setupHeader.initSize,
    minimumSize: leastSize(setupHeader),
    efiStub: stubOf(head, setupHeader, protocol),
    setupHeader,
    facts: is64 ? [{ name: PAGING, value: paging(setupHeader) }] : [],
    problems,
  }
}

/**
 * Every kernel consists of whole paragraphs. An image without a compressed kernel, such as iPXE and Memtest86+, may end
 * within its last one.
 */
function leastSize({ payload, end }: SetupHeader): number {
  return payload === null ? end - (PARAGRAPH - 1) : end
}

/** The width of the handover entry is known since 2.12; before, it is the kernel's. */
function stubOf(head: Buffer, { extendedLoadFlags, handoverOffset }: SetupHeader, protocol: number): EfiStub | null {
  const stub = efiStubOf(head)
  if (stub === null || handoverOffset === null) return stub
  if (protocol < 0x20c) return { ...stub, handover: [stub.bits] }
  return { ...stub, handover: ([32, 64] as const).filter((bits) => extendedLoadFlags.includes(`efi-handover-${bits}`)) }
}

/** Name of the fact with the kernel's value of `pagingLevels`. */
export const PAGING = '5-level paging'

/** Values of that fact. */
export const pagingLevels = { used: 'supported', left: 'left for 4 levels', unknown: 'not supported' } as const

function paging({ extendedLoadFlags }: SetupHeader): string {
  if (!extendedLoadFlags.includes('5-level')) return pagingLevels.unknown
  return extendedLoadFlags.includes('5-level-enabled') ? pagingLevels.used : pagingLevels.left
}

/** The causes for which bzImage64_probe of arch/x86/kernel/kexec-bzimage64.c refuses. */
function loadProblems({ loadFlags, extendedLoadFlags, protocol: name }: SetupHeader, protocol: number): string[] {
  const problems: string[] = []
  if (protocol < 0x20c) {
    problems.push(`boot protocol ${name} is older than 2.12, which kexec_file_load needs`)
    return problems
  }
  if (!loadFlags.includes('loaded-high')) problems.push('it is a zImage, loaded low, not a bzImage')
  if (!extendedLoadFlags.includes('kernel-64')) problems.push(bzImageProblems.no64BitEntry)
  else if (!extendedLoadFlags.includes('above-4g')) problems.push(bzImageProblems.boundToItsAddress)
  return problems
}

/** kexec_file_load does not check, and the kernel would stop while it unpacks itself. */
export function payloadProblems({ payload, end }: SetupHeader): string[] {
  if (payload === null || payload.offset + payload.length <= end) return []
  const place = `byte ${payload.offset + payload.length}, behind the end of the kernel at byte ${end}`
  return [`its header contradicts itself: the compressed kernel in it is said to end at ${place}`]
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
