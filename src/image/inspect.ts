import { closeSync, fstatSync, type Stats } from 'node:fs'
import { KexecError, type Reason } from '../errors.ts'
import { readAtMost, type System } from '../system/system.ts'
import { androidBoot, androidVendorBoot } from './android.ts'
import type { ByteSource } from './bytes.ts'
import { bzImage } from './bzimage.ts'
import { compressed } from './compressed.ts'
import { elf } from './elf.ts'
import { fit } from './fit.ts'
import { otherFiles } from './foreign.ts'
import { type ImageFormat, type KernelImage, unknownImage } from './image.ts'
import { arm64Image, armZImage, loongarchImage, riscvImage, s390Image } from './linux-images.ts'
import { pe } from './pe.ts'
import { uImage } from './uimage.ts'
import { uki } from './uki.ts'
import { zboot } from './zboot.ts'

/**
 * How much of a file is read to know what it is, bytes. A bzImage's version line lies within its setup sectors, which end at
 * 65 × 512 bytes at the latest; the ISO 9660 mark lies at 32 KiB.
 */
export const HEAD_BYTES = 36 * 1024

/**
 * In the order they are tried: a kernel with an EFI stub is both bzImage and PE, and is a bzImage first. s390's mark lies far
 * behind what begins like anything, so it comes last.
 */
const formats: readonly ImageFormat[] = [
  bzImage,
  ...[arm64Image, riscvImage, loongarchImage, armZImage, zboot, uki, pe, elf, fit, uImage],
  ...[androidBoot, androidVendorBoot, compressed],
  ...otherFiles.slice(0, -1),
  s390Image,
  ...otherFiles.slice(-1),
]

/** The format of what begins with `head`, or undefined. */
export function formatOf(head: Buffer, source?: ByteSource): ImageFormat | undefined {
  return formats.find((candidate) => candidate.recognise(head, source))
}

/**
 * Tells what the first bytes of a file are.
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
  return { ...image, bootable: false, problems: [...image.problems, `it is truncated: ${missing}`] }
}

/** A file that stays open from inspection to the syscall: what was inspected is what is loaded. */
export interface OpenImage {
  readonly path: string
  readonly fd: number
  readonly stats: Stats
  readonly image: KernelImage
}

/**
 * Opens a file and tells what it is. The caller closes `fd`.
 * @throws KexecError 'not-found', 'not-readable' or 'io' when it cannot be opened; any readable file, folder or device is answered.
 */
export function openImage(system: System, path: string): OpenImage {
  const fd = openForLoading(system, path)
  try {
    const stats = fstatSync(fd)
    const image = stats.isFile()
      ? inspectImage(readAtMost(fd, HEAD_BYTES), stats.size)
      : { ...unknownImage, format: fileType(stats), description: `a ${fileType(stats)}` }
    return { path, fd, stats, image }
  } catch (cause) {
    closeSync(fd)
    throw fileError(cause, path)
  }
}

/** Opens a kernel or initrd for reading; what is not a regular file is only named, never read. @throws KexecError 'not-found', 'not-readable' or 'io'. */
export function openForLoading(system: System, path: string): number {
  try {
    return system.stat(path)?.isFile() === false ? system.openWithoutTouching(path) : system.open(path)
  } catch (cause) {
    throw fileError(cause, path)
  }
}

/** 'directory', 'FIFO', 'block device', …; for what is not a regular file. */
export function fileType(stats: Stats): string {
  if (stats.isDirectory()) return 'directory'
  if (stats.isFIFO()) return 'FIFO'
  if (stats.isBlockDevice()) return 'block device'
  if (stats.isCharacterDevice()) return 'character device'
  if (stats.isSocket()) return 'socket'
  return 'file'
}

function fileError(cause: unknown, path: string): KexecError {
  const { code, errno, syscall } = cause as NodeJS.ErrnoException
  const [reason, summary] = fileReasons[code ?? ''] ?? (['io', 'the file could not be read'] as const)
  const hint = fileHints[reason]
  return new KexecError(summary, {
    reason,
    path,
    cause,
    refused: true,
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
    ...(hint === undefined ? {} : { hint }),
  })
}

const fileReasons: Record<string, readonly [Reason, string]> = {
  ENOENT: ['not-found', 'no such file'],
  ENOTDIR: ['not-found', 'a part of the path is not a directory'],
  ELOOP: ['not-found', 'the path runs in circles through symbolic links'],
  EACCES: ['not-readable', 'the file may not be read by this user'],
  EPERM: ['not-readable', 'the file may not be read by this user'],
  ENXIO: ['not-readable', 'the file cannot be opened for reading'],
}

const fileHints: Partial<Record<Reason, string>> = {
  'not-found': 'Check the path; `linux-kexec list` shows the kernels that were found.',
  'not-readable': 'Run it as root, or make the file readable.',
}
