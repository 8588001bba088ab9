/** How a kernel image relates to its signature: 'present' says that one is attached, not that it is valid. */
export type SignaturePresence = 'present' | 'absent' | 'unknown'

/** What a file turned out to be, told from its first bytes. */
export interface KernelImage {
  /** Short name of the format: 'bzImage', 'arm64 Image', 'gzip', 'ELF', 'PE', 'empty', … */
  readonly format: string
  /** The same in words, to complete the sentence "this is …". */
  readonly description: string
  /** Whether kexec_file_load takes this format as it is on the architecture it was built for. */
  readonly bootable: boolean
  /** As `uname -m` prints it, or null when the format does not tell. */
  readonly architecture: string | null
  /** Release as `uname -r` prints it, or null. */
  readonly version: string | null
  /** The kernel's whole version line: release, builder, build number and date; or null. */
  readonly versionString: string | null
  /** Longest command line it takes through kexec_file_load, bytes without the NUL; null when the format does not tell. */
  readonly maxCommandLine: number | null
  readonly signature: SignaturePresence
  /** How the payload inside is compressed ('gzip', 'zstd', 'xz', …), or null when it is not or the format does not tell. */
  readonly compression: string | null
  /** Whether it can run at another address than it was linked for; null when the format does not tell. */
  readonly relocatable: boolean | null
  /** Memory it needs from its load address on until it has unpacked itself, bytes; null when the format does not tell. */
  readonly memoryNeeded: number | null
  /** Bytes the file must have by its own header, or null; a shorter file is truncated. */
  readonly minimumSize: number | null
  /** Features the format lacks or has in a way that kexec_file_load refuses, one sentence each. */
  readonly problems: readonly string[]
}

/** A kernel image format: told by its head, never by its file name. */
export interface ImageFormat {
  readonly name: string
  /** Whether `head`, the first HEAD_BYTES of a file or all of a shorter one, is of this format. */
  recognise(head: Buffer): boolean
  /** Reads what the head tells; never reads beyond it, whatever offsets the bytes claim. */
  inspect(head: Buffer): KernelImage
}

/** Everything unknown: formats fill in what they can tell. */
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
  problems: [],
} as const satisfies Omit<KernelImage, 'format' | 'description'>

/** Whether the ASCII text `magic` stands at `offset`; false, not an error, beyond the end. */
export function magicAt(head: Buffer, offset: number, magic: string): boolean {
  return head.length >= offset + magic.length && head.toString('latin1', offset, offset + magic.length) === magic
}

/** What compression the bytes at `offset` begin with, or null. Magic numbers: the file formats' own specifications. */
export function compressionAt(head: Buffer, offset: number): string | null {
  for (const [name, magic] of compressions) if (magicAt(head, offset, magic)) return name
  return null
}

const compressions: readonly (readonly [name: string, magic: string])[] = [
  ['gzip', '\x1f\x8b'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['xz', '\xfd7zXZ\0'],
  ['lz4', '\x04\x22\x4d\x18'],
  // The legacy frame, which is what lib/decompress_unlz4.c and the kernel's own build use.
  ['lz4', '\x02\x21\x4c\x18'],
  ['bzip2', 'BZh'],
  ['lzma', '\x5d\0\0'],
  ['lzo', '\x89LZO\0\r\n'],
]
