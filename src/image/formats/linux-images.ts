import type { ByteSource } from '../../bytes/bytes.ts'
import { findVersion } from '../model/banner.ts'
import type { FormatName } from '../model/format-name.ts'
import { type ImageFormat, type KernelImage, magicAt, unknownImage } from '../model/image.ts'
import { efiStubOf, hasPeSignature, peMachine, peSize } from './pe.ts'
import { zImageNeeds, zImagePayload } from './zimage.ts'

/** How far an uncompressed kernel is searched for the version line, in bytes: it lies behind the code. */
const SEARCHED = 64 * 1024 * 1024

/** Alignment of a RISC-V kernel: 2 MiB, or 4 MiB with 32 bits. */
const MOST_TEXT_OFFSET = 4n << 20n

/** arm64: Documentation/arch/arm64/booting.rst, "Call the kernel image". */
export const arm64Image: ImageFormat = {
  name: 'arm64 Image',
  recognise: (head) => magicAt(head, 56, 'ARM\x64'),
  inspect(head, source) {
    const flags = head.readBigUInt64LE(24)
    const imageSize = head.readBigUInt64LE(16)
    const big = (flags & 1n) !== 0n
    const pageSize = [null, 4096, 16_384, 65_536][Number((flags >> 1n) & 3n)] as number | null
    // arm64_image_probe, arch/arm64/kernel/kexec_image.c.
    const raw = rawImage('arm64 Image', 'an arm64 Image', head, source)
    const problems = [...raw.problems]
    if (imageSize === 0n) problems.push('it is older than Linux 3.17: its header lacks the image size')
    return {
      ...raw,
      bootable: problems.length === 0,
      architecture: big ? 'aarch64_be' : 'aarch64',
      byteOrder: big ? 'big' : 'little',
      pageSize,
      // COMMAND_LINE_SIZE of arch/arm64/include/uapi/asm/setup.h, with the NUL.
      maxCommandLine: 2047,
      relocatable: true,
      memoryNeeded: memory(imageSize),
      imageHeader: { textOffset: textOffset(head), runsAnywhere: (flags & 8n) !== 0n },
      facts: [
        { name: 'text offset', value: hexadecimal(head.readBigUInt64LE(8)) },
        { name: 'flags', value: hexadecimal(flags) },
        // Bit 3: since 4.6 it need not lie at the begin of the memory.
        { name: 'placement', value: flags & 8n ? 'anywhere in memory' : 'near the beginning of memory' },
      ],
      problems,
    }
  },
}

/** RISC-V: Documentation/arch/riscv/boot-image-header.rst. */
export const riscvImage: ImageFormat = {
  name: 'riscv Image',
  recognise: (head) => magicAt(head, 56, 'RSC\x05'),
  inspect(head, source) {
    const big = (head.readBigUInt64LE(24) & 1n) !== 0n
    const raw = rawImage('riscv Image', 'a RISC-V Image', head, source)
    const problems = [...raw.problems]
    if (big) problems.push('it is big-endian, which no machine is')
    return {
      ...raw,
      bootable: problems.length === 0,
      architecture: 'riscv64',
      byteOrder: big ? 'big' : 'little',
      // COMMAND_LINE_SIZE of arch/riscv/include/uapi/asm/setup.h, with the NUL.
      maxCommandLine: 1023,
      relocatable: true,
      memoryNeeded: memory(head.readBigUInt64LE(16)),
      imageHeader: { textOffset: textOffset(head), runsAnywhere: true },
      facts: [
        { name: 'header version', value: `${head.readUInt16LE(34)}.${head.readUInt16LE(32)}` },
        { name: 'text offset', value: hexadecimal(head.readBigUInt64LE(8)) },
        { name: 'flags', value: hexadecimal(head.readBigUInt64LE(24)) },
      ],
      problems,
    }
  },
}

const LOONGARCH_MACHINE = 0x6264

/** LoongArch: an EFI application with arch/loongarch/kernel/head.S before it. */
export const loongarchImage: ImageFormat = {
  name: 'loongarch Image',
  recognise: (head) => magicAt(head, 56, '\xcd\x23\x82\x81') && peMachine(head) === LOONGARCH_MACHINE,
  inspect: (head, source) => ({
    ...rawImage('loongarch Image', 'a LoongArch EFI image', head, source),
    bootable: true,
    architecture: 'loongarch64',
    byteOrder: 'little',
    // COMMAND_LINE_SIZE of arch/loongarch/include/uapi/asm/setup.h, with the NUL.
    maxCommandLine: 4095,
    memoryNeeded: memory(head.readBigUInt64LE(16)),
    facts: [{ name: 'load address', value: hexadecimal(head.readBigUInt64LE(24)) }],
  }),
}

/** Offset of "S390EP": arch/s390/kernel/machine_kexec_file.c, s390_image_probe of kexec_image.c. */
const S390_MARK = 0x10008
/** The parameter area, arch/s390/include/asm/setup.h. */
const parameterArea = { version: 0x10428, commandLineSize: 0x10430 } as const

/** How much of a file identifies an s390 kernel, in bytes. */
export const S390_HEAD_BYTES = 66 * 1024

/**
 * s390x: an image that begins at address 0. Its mark lies beyond HEAD_BYTES, so it is identified by a longer head, or
 * with the file available.
 */
export const s390Image: ImageFormat = {
  name: 's390 Image',
  recognise: (head, source) => bytesAt(S390_MARK, 6, head, source).toString('latin1') === 'S390EP',
  inspect(head, source) {
    const text = source === undefined ? undefined : s390Version(source)
    const limit = bytesAt(parameterArea.commandLineSize, 8, head, source)
    const size = limit.length === 8 ? Number(limit.readBigUInt64BE(0)) : 0
    const signed = source?.read(source.size - MODULE_SIGNATURE.length, MODULE_SIGNATURE.length).equals(MODULE_SIGNATURE)
    return {
      ...unknownImage,
      format: 's390 Image',
      description: `an s390x kernel image${text === undefined ? '' : ` of Linux ${text.split(' ', 1)[0]}`}`,
      bootable: true,
      architecture: 's390x',
      byteOrder: 'big',
      version: text?.split(' ', 1)[0] ?? null,
      versionString: text ?? null,
      // Kernels before 5.18 do not name their limit and take 896.
      maxCommandLine: (size > 0 && size <= 65_536 ? size : 896) - 1,
      signature: signed ? 'present' : 'absent',
    }
  },
}

/** The trailer for secure boot at the end of such a kernel: .sb.trailer of arch/s390/boot/vmlinux.lds.S, since 5.17. */
const S390_TRAILER = Buffer.from('000000207a49504c', 'hex')
const TRAILER_SINCE = [5, 18] as const

/** Whether an s390 kernel has its proper end; null where that is unknown. Zeros and signatures may follow. */
export function endsWithTrailer(source: ByteSource, version: string | null): boolean | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? []
  if (major === undefined || Number(major) * 1000 + Number(minor) < TRAILER_SINCE[0] * 1000 + TRAILER_SINCE[1])
    return null
  for (let end = source.size; end > 0; end -= PIECE) {
    const start = Math.max(0, end - PIECE)
    const piece = source.read(start, end - start)
    const last = piece.findLastIndex((byte) => byte !== 0)
    if (last >= 0) return source.read(start + last + 1 - S390_TRAILER.length, S390_TRAILER.length).equals(S390_TRAILER)
  }
  return false
}

function bytesAt(offset: number, length: number, head: Buffer, source: ByteSource | undefined): Buffer {
  return source?.read(offset, length) ?? head.subarray(offset, offset + length)
}

/** The end of a file with an appended signature: MODULE_SIG_STRING, include/linux/module_signature.h. */
const MODULE_SIGNATURE = Buffer.from('~Module signature appended~\n')

function s390Version(source: ByteSource): string | undefined {
  const pointer = source.read(parameterArea.version, 8)
  if (pointer.length < 8) return undefined
  const bytes = source.read(Number(pointer.readBigUInt64BE(0)), 256)
  const end = bytes.indexOf(0)
  const text = bytes.toString('latin1', 0, Math.max(0, end))
  return /^\d+\.\d+[ -~]*$/.test(text) ? text : undefined
}

/** 32-bit ARM: arch/arm/boot/compressed/head.S. Only kexec_load takes it. */
export const armZImage: ImageFormat = {
  name: 'ARM zImage',
  recognise: (head) => magicAt(head, 0x24, '\x18\x28\x6f\x01') && head.length >= 0x34,
  inspect(head, source) {
    const start = head.readUInt32LE(0x28)
    const end = head.readUInt32LE(0x2c)
    const size = end > start ? end - start : null
    const big = magicAt(head, 0x30, '\x04\x03\x02\x01')
    return {
      ...unknownImage,
      format: 'ARM zImage',
      description: 'a 32-bit ARM zImage',
      architecture: big ? 'armv7b' : 'armv7l',
      byteOrder: big ? 'big' : 'little',
      compression: source === undefined ? null : (zImagePayload(source)?.compression ?? null),
      minimumSize: size,
      memoryNeeded: source === undefined || size === null ? null : zImageMemory(source, size),
      // COMMAND_LINE_SIZE of arch/arm/include/uapi/asm/setup.h, with the NUL.
      maxCommandLine: 1023,
      relocatable: true,
      efiStub: efiStubOf(head),
      facts: [{ name: 'load address', value: start === 0 ? 'any' : `0x${start.toString(16)}` }],
    }
  },
}

/** The zImage lies behind its unpacked kernel, from the begin of the memory on. */
function zImageMemory(source: ByteSource, size: number): number {
  const { textOffset, unpacked, workspace } = zImageNeeds(source)
  return textOffset + unpacked + size + workspace
}

function hexadecimal(value: bigint): string {
  return `0x${value.toString(16)}`
}

function rawImage(format: FormatName, name: string, head: Buffer, source: ByteSource | undefined): KernelImage {
  const end = source === undefined ? 0 : Math.min(source.size, SEARCHED)
  const version = source === undefined ? undefined : findVersion(source, 0, end)
  const other = source === undefined || version !== undefined ? undefined : otherProgram(source, end)
  const of = version === undefined ? (other ?? '') : ` of Linux ${version.version}`
  return {
    ...unknownImage,
    format,
    description: `${name}${of}`,
    version: version?.version ?? null,
    versionString: version?.versionString ?? null,
    // The header's own size covers memory that is not in the file. Without an EFI stub nothing shows where the file
    // ends.
    minimumSize: peSize(head),
    signature: hasPeSignature(head) ? 'present' : 'absent',
    efiStub: efiStubOf(head),
    problems: other === undefined ? [] : ['it is not a Linux kernel, although its header is one of Linux'],
  }
}

/**
 * Other programs with this header, which lets boot loaders start them like Linux, each with a text found only in it.
 */
const programs: readonly (readonly [text: string, description: string])[] = [
  ['Xen version %d.%d', ' of the hypervisor Xen'],
  ['U-Boot 2', ' of the boot loader U-Boot'],
  ['barebox 2', ' of the boot loader barebox'],
]

function otherProgram(source: ByteSource, end: number): string | undefined {
  return programs.find(([text]) => hasText(source, end, text))?.[1]
}

/** Bytes searched at a time. */
const PIECE = 1024 * 1024

function hasText(source: ByteSource, end: number, text: string): boolean {
  for (let at = 0; at < end; at += PIECE) {
    if (source.read(at, Math.min(PIECE + text.length, end - at)).includes(text, 0, 'latin1')) return true
  }
  return false
}

/** Equal in the heads of both. */
function textOffset(head: Buffer): number | null {
  const offset = head.readBigUInt64LE(8)
  return offset <= MOST_TEXT_OFFSET ? Number(offset) : null
}

function memory(size: bigint): number | null {
  return size > 0n && size < 1n << 40n ? Number(size) : null
}
