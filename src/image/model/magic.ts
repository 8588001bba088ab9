import type { CompressionName } from './format-name.ts'

/** Whether the ASCII text `magic` stands at `offset`; false, not an error, beyond the end. */
export function magicAt(head: Buffer, offset: number, magic: string): boolean {
  return head.length >= offset + magic.length && head.toString('latin1', offset, offset + magic.length) === magic
}

/**
 * The compression that the bytes at `offset` begin with, or null. Magic numbers: the file formats' own specifications.
 */
export function compressionAt(head: Buffer, offset: number): CompressionName | null {
  for (const [name, magic] of compressions) if (magicAt(head, offset, magic)) return name
  return null
}

const compressions: readonly (readonly [name: CompressionName, magic: string])[] = [
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
