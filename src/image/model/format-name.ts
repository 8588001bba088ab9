import type { FileType } from '../../system/system.ts'

/** The compressions that are recognised. */
export type CompressionName = 'gzip' | 'zstd' | 'xz' | 'lz4' | 'bzip2' | 'lzma' | 'lzo'

/** Kernels, and the containers that hold them. */
type ImageName =
  | 'bzImage'
  | 'vmlinux'
  | 'arm64 Image'
  | 'riscv Image'
  | 'loongarch Image'
  | 's390 Image'
  | 'ARM zImage'
  | 'EFI zboot'
  | 'UKI'
  | 'FIT'
  // By the first bytes alone.
  | 'FIT or DTB'
  | 'uImage'
  | 'Android boot image'
  | 'Android vendor boot image'

/** Other files, each with a name so that a refusal can say what the file is. */
type OtherName =
  | 'ELF'
  | 'PE'
  | 'device tree'
  | 'cpio'
  | 'old cpio'
  | 'deb'
  | 'rpm'
  | 'squashfs'
  | 'cramfs'
  | 'romfs'
  | 'ext'
  | 'ISO 9660'
  | 'script'
  | 'text'
  | 'empty'
  | 'unknown'

/** Short name of a file's format. */
export type FormatName = ImageName | OtherName | CompressionName | FileType
