import type { ByteSource } from '../../bytes/bytes.ts'
import { textOfBytes } from '../../exact-text.ts'
import type { FormatName } from './format-name.ts'
import type { SetupHeader } from './setup-header.ts'

export { compressionAt, magicAt } from './magic.ts'

/** How a kernel image relates to its signature: 'present' means that one is attached, not that it is valid. */
export type SignaturePresence = 'present' | 'absent' | 'unknown'

/** The kind of a file, by its first bytes. */
export interface KernelImage {
  readonly format: FormatName
  /** The same in words, to complete the sentence "this is …". */
  readonly description: string
  /** Whether kexec_file_load takes this format as it is on the architecture it was built for. */
  readonly bootable: boolean
  /** As `uname -m` prints it, or null when the format does not show it. */
  readonly architecture: string | null
  /** Release as `uname -r` prints it, or null. */
  readonly version: string | null
  /** The kernel's whole version line: release, builder, build number and date; or null. */
  readonly versionString: string | null
  /**
   * Longest command line it takes through kexec_file_load, in bytes without the NUL; null when the format does not show
   * it.
   */
  readonly maxCommandLine: number | null
  readonly signature: SignaturePresence
  /**
   * Compression of the payload inside ('gzip', 'zstd', 'xz', …), or null when it has none or the format does not show
   * it.
   */
  readonly compression: string | null
  /** Whether it can run at an address other than its link address; null when the format does not show it. */
  readonly relocatable: boolean | null
  /**
   * Memory it needs from its load address on until it has unpacked itself, in bytes; null when the format does not show
   * it.
   */
  readonly memoryNeeded: number | null
  /** Bytes the file must have by its own header, or null. A shorter file is truncated. */
  readonly minimumSize: number | null
  /** Byte order of the kernel, or null when the format does not show it. */
  readonly byteOrder: 'little' | 'big' | null
  /** Page size the kernel was built for, in bytes; null when it takes any or the format does not show it. */
  readonly pageSize: number | null
  /** Its EFI stub, by which firmware starts it as a program; null when it has none, or the format does not show it. */
  readonly efiStub: EfiStub | null
  /** For a bzImage: its facts for boot loaders. */
  readonly setupHeader: SetupHeader | null
  /** For an arm64 or RISC-V Image: its facts for boot loaders. */
  readonly imageHeader: ImageHeader | null
  /** The file's other statements about itself, such as a FIT image's description, in the order of the file. */
  readonly facts: readonly ImageFact[]
  /** Features that the format lacks, or has in a form that kexec_file_load refuses, one sentence each. */
  readonly problems: readonly string[]
}

/**
 * The place in memory that the head of an Image asks for:
 * Documentation/arch/{arm64/booting,riscv/boot-image-header}.rst.
 */
export interface ImageHeader {
  /** Bytes behind a boundary of 2 MiB at which the image has to lie; null for an impossible one. */
  readonly textOffset: number | null
  /** For arm64, bit 3: it may lie anywhere in memory, and uses the memory below itself. RISC-V Images always do. */
  readonly runsAnywhere: boolean
}

/** The EFI program that a kernel also is. */
export interface EfiStub {
  readonly bits: 32 | 64
  /**
   * The widths of firmware for which it has the handover protocol of x86; with 32 and 64 it runs on both (mixed mode).
   */
  readonly handover: readonly (32 | 64)[]
}

/** A file's statement about itself. */
export interface ImageFact {
  readonly name: string
  readonly value: string
}

export type PartKind =
  | 'kernel'
  | 'initrd'
  /** Processor microcode, an uncompressed cpio archive that goes before all initrds. */
  | 'microcode'
  | 'device-tree'
  | 'device-tree-overlay'
  /** For Android: parameters that go behind the last initrd. */
  | 'bootconfig'
  | 'other'

/** A part of a container: bytes of the file, and how to check and unpack them. */
export interface ImagePart {
  readonly kind: PartKind
  /** Its name in the container: '.linux', 'kernel-1', 'ramdisk'. */
  readonly name: string
  /** The container's text about it, for people, or null. */
  readonly description: string | null
  /** Bytes from the start of the container. */
  readonly offset: number
  readonly length: number
  /** The compression to undo before a kernel or device tree is used, or null. Initrds stay compressed. */
  readonly compression: string | null
  /** Unpacked size where the container gives it, in bytes, or null. */
  readonly unpackedSize: number | null
  /** Its cipher, whose key only the boot loader has, or null. */
  readonly encryption: string | null
  /** Over the bytes as they lie in the container. */
  readonly hashes: readonly PartHash[]
  /** The machines that a device tree is compatible with, as far as the container names them. */
  readonly compatible: readonly string[]
}

export interface PartHash {
  /** 'crc32', 'crc16-ccitt', 'md5', 'sha1', 'sha256', 'sha384' or 'sha512'; any other is named, not computed. */
  readonly algorithm: string
  /** In hexadecimal, lower case. */
  readonly digest: string
}

/** The choice among several offers of a container. */
export interface ImagePartChoice {
  /** Number of a UKI's profile; default: the first. */
  readonly profile?: number
  /** Name of a FIT configuration; default: by `compatible`, else the container's default. */
  readonly configuration?: string
  /** The machine's names in its device tree, the most specific first. */
  readonly compatible?: readonly string[]
}

/** A container's contents for one choice: the kernel first, initrds in the order they are joined. */
export interface Contents {
  readonly parts: readonly ImagePart[]
  /** Its command line, or null. */
  readonly commandLine: string | null
  /** Configurations or profiles to choose from; empty where there is no choice. */
  readonly choices: readonly string[]
  /** The chosen one, or null. */
  readonly chosen: string | null
  /** Faults, one sentence each. A container with any of them should not be booted. */
  readonly problems: readonly string[]
}

/** All contents of a container, for every choice. */
export interface Listing {
  readonly parts: readonly ImagePart[]
  readonly configurations: readonly ImageConfiguration[]
}

/** One of the sets of parts that a container offers: a FIT configuration, a UKI's profile. */
export interface ImageConfiguration {
  readonly name: string
  readonly description: string | null
  /** Whether it is the default. */
  readonly isDefault: boolean
  /** Names of its parts. */
  readonly parts: readonly string[]
  /** Machines it is for, by the names in their device trees; empty where it names none. */
  readonly compatible: readonly string[]
  /** Its command line, or null. */
  readonly commandLine: string | null
  /** Its own claim about its signers: 'sha256,rsa2048 by the key dev'. These signatures are not verified. */
  readonly signatures: readonly string[]
}

/** A kernel image format, recognised by its head, never by its file name. */
export interface ImageFormat {
  readonly name: string
  /**
   * Whether `head`, the first HEAD_BYTES of a file or all of a shorter one, is of this format. A format whose mark lies
   * further on reads that from `source`.
   */
  recognise(head: Buffer, source?: ByteSource): boolean
  /**
   * Reads the head's facts, and never beyond the head, even where the bytes claim larger offsets. Formats whose facts
   * lie further on read those from `source`, and as little of it as they can.
   */
  inspect(head: Buffer, source?: ByteSource): KernelImage
  /** For formats that hold a kernel in them: the places of the parts. Never throws for the image's bytes. */
  unpack?(source: ByteSource, choice: ImagePartChoice): Contents
  /** For formats that offer a choice: all contents. Never throws for the image's bytes. */
  list?(source: ByteSource): Listing
}

/** A part without the fields that most parts lack. */
export function imagePart(
  part: Pick<ImagePart, 'kind' | 'name' | 'offset' | 'length'> & Partial<ImagePart>,
): ImagePart {
  return {
    description: null,
    compression: null,
    unpackedSize: null,
    encryption: null,
    hashes: [],
    compatible: [],
    ...part,
  }
}

/** Contents without a choice. */
export function contentsOf(parts: readonly ImagePart[], problems: readonly string[] = []): Contents {
  return { parts, commandLine: null, choices: [], chosen: null, problems }
}

/** Why a part cannot lie at the container's offset, or undefined. */
export function misplaced(part: ImagePart, size: number): string | undefined {
  if (part.offset >= 0 && part.offset + part.length <= size) return undefined
  return `its part ${part.name} reaches from byte ${part.offset} to ${part.offset + part.length}, and there are ${size} bytes`
}

/** The text up to the first NUL, without control characters. */
export function textAt(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, Math.min(bytes.length, start + length))
  const end = field.indexOf(0)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to drop
  return textOfBytes(field.subarray(0, end < 0 ? field.length : end)).replace(/[\x00-\x1f\x7f]+/g, ' ')
}

/** Everything unknown: formats fill in the facts that they have. */
export const unknownImage = {
  bootable: false,
  architecture: null,
  version: null,
  versionString: null,
  maxCommandLine: null,
  signature: 'unknown',
  compression: null,
  relocatable: null,
  memoryNeeded: null,
  minimumSize: null,
  byteOrder: null,
  pageSize: null,
  efiStub: null,
  setupHeader: null,
  imageHeader: null,
  facts: [],
  problems: [],
} as const satisfies Omit<KernelImage, 'format' | 'description'>
