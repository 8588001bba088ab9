import { type ByteSource, partOf } from '../bytes/bytes.ts'
import { canDecompress, decompressHead } from '../compression/decompress.ts'
import { HEAD_BYTES, inspectImage } from '../image/formats/inspect.ts'
import { compressionAt, magicAt } from '../image/model/image.ts'
import { flagName } from '../option-name.ts'
import { type FirstArchives, isCpio, walkArchives } from './first-archives.ts'

/** The kind of an initrd. */
export interface InitrdContent {
  /** To complete the sentence "this is …". */
  readonly description: string
  /**
   * Whether it is unpacked, so that further archives may follow; false for images of file systems, and unknown content.
   */
  readonly isArchive: boolean
  /** Why no kernel takes it, or null. */
  readonly refusal: InitrdRefusal | null
  readonly warnings: readonly InitrdWarning[]
}

/** Codes of an initrd's possible faults: docs/remarks.md explains each. */
export const initrdWarningCodes = [
  'initrd-cut-off',
  'initrd-lost-part',
  'initrd-not-archive',
  'initrd-ram-disk',
] as const

export interface InitrdWarning {
  readonly code: (typeof initrdWarningCodes)[number]
  /** A part of a sentence about it: 'ends in the middle of …'. */
  readonly text: string
}

export interface InitrdRefusal {
  readonly summary: string
  readonly hint: string
}

/** How much of a compressed archive is read beyond the head to see its content, in bytes: a whole block of zstd. */
const COMPRESSED_BLOCK = 132 * 1024

const makeAgain = () =>
  `Make it again (update-initramfs -u, dracut -f, mkinitcpio -P), or load with ${flagName('no-initrd')}.`

/**
 * Identifies an initrd, and decides whether a kernel can take it (init/initramfs.c and lib/decompress.c). Reads the
 * head, and a little more of compressed data. Whether the kernel to load was built with that compression is unknown,
 * and so not reported.
 * @param description of an input that has no bytes because it is not a regular file
 */
export async function checkInitrdContent(source: ByteSource, description?: string): Promise<InitrdContent> {
  const head = source.read(0, HEAD_BYTES)
  const what = description ?? inspectImage(head, source.size).description
  if (source.size === 0) return refused(what, `this is ${what}, not an initrd`, makeAgain())
  const archives = walkArchives(source)
  if (archives.unknownAt === archives.start) return notAnArchive(head, what, archives)
  const warnings: InitrdWarning[] = archives.problems.map((text) => ({ code: 'initrd-cut-off', text }))
  if (archives.unknownAt !== null) {
    const text = `has neither zeros nor an archive at byte ${archives.unknownAt}: the new kernel will unpack nothing of what follows`
    warnings.push({ code: 'initrd-lost-part', text })
  }
  if (archives.compressedAt === null) return { description: what, isArchive: true, refusal: null, warnings }
  const packed = partOf(source, archives.compressedAt, source.size)
  const refusal = unsupported(packed)
  if (refusal !== null) return { description: what, isArchive: false, refusal, warnings }
  const lost = lostBehindLz4(packed)
  if (lost !== null) {
    const text = `has something at byte ${archives.compressedAt + lost}, right behind its lz4 archive: the new kernel takes it for another block of that, and it is lost with all that follows (four zeros between them would save it)`
    warnings.push({ code: 'initrd-lost-part', text })
  }
  return { description: what, refusal: null, ...(await lookInside(packed, warnings)) }
}

/** Old formats and mistakes. */
function notAnArchive(head: Buffer, what: string, { start, isMisaligned }: FirstArchives): InitrdContent {
  if (start === null) return refused('zeros', 'this is nothing but zeros, not an initrd', makeAgain())
  if (isMisaligned) {
    return refused(what, `its cpio archive begins at byte ${start}, which is not a multiple of 4`, makeAgain())
  }
  // cpio(5): the formats before newc, in text and in binary of either byte order.
  if (magicAt(head, start, '070707') || /^(\x71\xc7|\xc7\x71)/.test(head.toString('latin1', start, start + 2))) {
    const summary = 'this is a cpio archive of an old format, which the kernel does not unpack'
    return refused('a cpio archive of an old format', summary, 'Make it with `cpio --create --format=newc`.')
  }
  const fileSystem = ramDiskOf(head)
  if (fileSystem !== null) return imageOf(fileSystem)
  return refused(what, `this is ${what}, neither a cpio archive nor a compressed one`, makeAgain())
}

/** Formats that the kernel recognises by their magic, but cannot decompress. */
function unsupported(packed: ByteSource): InitrdRefusal | null {
  const head = packed.read(0, 16)
  // lib/decompress.c supports only the legacy frame.
  if (magicAt(head, 0, '\x04\x22\x4d\x18')) {
    return {
      summary: 'this is an lz4 archive in the frame format, of which the kernel unpacks only the legacy one',
      hint: 'Make it with `lz4 -l`.',
    }
  }
  // The xz file format, 2.1.1.2 "Stream Flags"; lib/xz/xz_dec_stream.c takes none (0) and CRC32 (1).
  if (magicAt(head, 0, '\xfd7zXZ\0') && head.length > 7 && ((head[7] as number) & 0x0f) > 1) {
    return {
      summary: `this is an xz archive with a check that the kernel does not know (${checkName((head[7] as number) & 0x0f)})`,
      hint: 'Make it with `xz --check=crc32`.',
    }
  }
  return null
}

/** A block of lz4 holds 8 MiB; LZ4_compressBound() of include/linux/lz4.h. */
const LARGEST_BLOCK = 8 * 1024 ** 2 + Math.floor((8 * 1024 ** 2) / 255) + 16

/** The most block headers that are read; an initrd of 8 GiB has as many. */
const MAX_BLOCKS = 1024

/**
 * The place in an lz4 archive of the legacy format where something other than its blocks begins; null where nothing
 * follows, or zeros do. For the kernel only zeros end it (unlz4() of lib/decompress_unlz4.c); every other decompressor
 * finds its own end.
 */
function lostBehindLz4(packed: ByteSource): number | null {
  if (!magicAt(packed.read(0, 4), 0, LZ4_LEGACY)) return null
  let at = LZ4_LEGACY.length
  for (let blocks = 0; blocks < MAX_BLOCKS && at < packed.size; blocks++) {
    const word = packed.read(at, 4)
    if (word.every((byte) => byte === 0)) return null
    // Another begin is skipped.
    const isBegin = magicAt(word, 0, LZ4_LEGACY)
    const length = word.length < 4 ? Number.POSITIVE_INFINITY : word.readUInt32LE(0)
    if (!isBegin && (length > LARGEST_BLOCK || at + 4 + length > packed.size)) return blocks === 0 ? null : at
    at += isBegin ? 4 : 4 + length
  }
  return null
}

const LZ4_LEGACY = '\x02\x21\x4c\x18'

function checkName(check: number): string {
  return { 4: 'CRC64', 10: 'SHA-256' }[check] ?? `number ${check}`
}

async function lookInside(
  packed: ByteSource,
  warnings: readonly InitrdWarning[],
): Promise<Pick<InitrdContent, 'isArchive' | 'warnings'>> {
  const inside = await startOf(packed)
  const start = inside.findIndex((byte) => byte !== 0)
  if (start < 0 || isCpio(inside, start)) return { isArchive: true, warnings }
  const fileSystem = ramDiskOf(inside)
  if (fileSystem !== null) return { isArchive: false, warnings: [...warnings, oldInitrd(fileSystem)] }
  const what = magicAt(inside, 257, 'ustar')
    ? 'a tar archive'
    : inspectImage(inside, Number.MAX_SAFE_INTEGER).description
  const text = `unpacks to ${what}, not a cpio archive: the new kernel will not unpack it`
  return { isArchive: false, warnings: [...warnings, { code: 'initrd-not-archive', text }] }
}

/** The first bytes of compressed data; none where that would require reading much. */
async function startOf(packed: ByteSource): Promise<Buffer> {
  const compression = compressionAt(packed.read(0, 16), 0)
  if (compression === null || !canDecompress(compression)) return Buffer.alloc(0)
  const amounts = compression === 'zstd' ? [HEAD_BYTES, COMPRESSED_BLOCK] : [HEAD_BYTES]
  for (const amount of amounts) {
    const start = await decompressHead(compression, partOf(packed, 0, amount), 2048)
    if (start.length > 0) return start
  }
  return Buffer.alloc(0)
}

/** Formats of identify_ramdisk_image() in init/do_mounts_rd.c. */
const RAM_DISKS = new Set(['squashfs', 'cramfs', 'romfs', 'ext'])

/** 'a squashfs file system', for one that the kernel copies into a RAM disk; null for other content. */
function ramDiskOf(head: Buffer): string | null {
  const { format, description } = inspectImage(head, Number.MAX_SAFE_INTEGER)
  return RAM_DISKS.has(format) ? description : null
}

function imageOf(fileSystem: string): InitrdContent {
  return { description: fileSystem, isArchive: false, refusal: null, warnings: [oldInitrd(fileSystem)] }
}

function oldInitrd(fileSystem: string): InitrdWarning {
  const text = `is ${fileSystem}: only a kernel that mounts it as a RAM disk (CONFIG_BLK_DEV_RAM, root=/dev/ram0) makes use of it`
  return { code: 'initrd-ram-disk', text }
}

function refused(description: string, summary: string, hint: string): InitrdContent {
  return { description, isArchive: false, refusal: { summary, hint }, warnings: [] }
}
