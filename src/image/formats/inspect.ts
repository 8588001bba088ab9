import type { ByteSource } from '../../bytes/bytes.ts'
import { type ImageFormat, type KernelImage, unknownImage } from '../model/image.ts'
import { androidBoot, androidVendorBoot } from './android.ts'
import { bzImage } from './bzimage.ts'
import { compressed } from './compressed.ts'
import { elf } from './elf.ts'
import { fit } from './fit.ts'
import { otherFiles } from './foreign.ts'
import { arm64Image, armZImage, loongarchImage, riscvImage, s390Image } from './linux-images.ts'
import { pe } from './pe.ts'
import { uImage } from './uimage.ts'
import { uki } from './uki.ts'
import { zboot } from './zboot.ts'

/**
 * How much of a file is read to identify it, in bytes. A bzImage's version line lies within its setup sectors, which
 * end at 65 × 512 bytes at the latest; the ISO 9660 mark lies at 32 KiB.
 */
export const HEAD_BYTES = 36 * 1024

/**
 * In the order they are tried: a kernel with an EFI stub is both bzImage and PE, and is a bzImage first. s390's mark
 * lies far behind an arbitrary beginning, so it comes last.
 */
const formats: readonly ImageFormat[] = [
  // EFI zboot before LoongArch's kernel: both are PE files with the same mark at 56.
  ...[bzImage, zboot],
  ...[arm64Image, riscvImage, loongarchImage, armZImage, uki, pe, elf, fit, uImage],
  ...[androidBoot, androidVendorBoot, compressed],
  ...otherFiles.slice(0, -1),
  s390Image,
  ...otherFiles.slice(-1),
]

/** The beginning of the problem that `minimumSize` also shows. */
export const TRUNCATED = 'it is truncated: '

/** The format of a file that begins with `head`, or undefined. */
export function formatOf(head: Buffer, source?: ByteSource): ImageFormat | undefined {
  return formats.find((candidate) => candidate.recognise(head, source))
}

/**
 * Identifies a file by its first bytes.
 * @param head the first HEAD_BYTES of the file, or all of a shorter one
 * @param size the size of the whole file, bytes
 * @param source the whole file, for formats whose facts lie beyond the head; without it, those are null
 */
export function inspectImage(head: Buffer, size: number, source?: ByteSource): KernelImage {
  if (size === 0) return { ...unknownImage, format: 'empty', description: 'an empty file' }
  const format = formatOf(head, source)
  if (format === undefined) return { ...unknownImage, format: 'unknown', description: 'data of an unknown format' }
  const image = format.inspect(head, source)
  if (image.minimumSize === null || size >= image.minimumSize) return image
  const missing = `the file has ${size} bytes where its header asks for ${image.minimumSize}`
  return { ...image, bootable: false, problems: [...image.problems, `${TRUNCATED}${missing}`] }
}
