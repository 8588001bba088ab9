import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../../abort.ts'
import { type ByteSource, memoryBytes, partOf } from '../../bytes/bytes.ts'
import { type ElfHeader, PT_NOTE, programHeaderSize, readElfHeader, readProgramHeaders } from '../../bytes/elf.ts'
import { buildIdIn } from '../../bytes/elf-notes.ts'
import { DamagedStream, decompress } from '../../compression/decompress.ts'
import type { KernelImage } from '../model/image.ts'
import type { SetupHeader } from '../model/setup-header.ts'
import { hasUnpackablePayload } from './payload.ts'

/** The headers of a kernel's ELF file lie in its first bytes: the linker makes fewer than ten. */
const HEAD = 4096

/** A kernel has less than a kilobyte of notes. */
const MOST_NOTES = 64 * 1024

/** The largest unpacked kernel, in bytes: KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h. */
const LARGEST = 2 ** 30

/**
 * The build id that a kernel shows in /sys/kernel/notes when it runs. A bzImage is unpacked as far as its notes. An Image
 * has them too, but no table that says where, and its vDSO has a build id of its own.
 * @param source what the kernel is given: the image, out of its containers
 * @returns in hexadecimal; null where the image does not show it. Damaged bytes show none @throws KexecError 'aborted'
 */
export async function readBuildId(
  source: ByteSource,
  { format, setupHeader }: Pick<KernelImage, 'format' | 'setupHeader'>,
  signal?: AbortSignal,
): Promise<string | null> {
  if (format === 'vmlinux' || format === 'ELF') return buildIdOfElf(source)
  if (format !== 'bzImage' || setupHeader === null || !hasUnpackablePayload(setupHeader)) return null
  try {
    return await buildIdOfPayload(source, setupHeader, signal)
  } catch (error) {
    if (error instanceof DamagedStream) return null
    throw error
  }
}

/** The build id of an ELF file, or null. */
export function buildIdOfElf(source: ByteSource): string | null {
  const place = placeOfNotes(source.read(0, HEAD))
  return place === null ? null : buildIdIn(source.read(place.offset, place.size), place.byteOrder)
}

/** Unpacks no more than needed, and keeps only the notes. */
async function buildIdOfPayload(
  source: ByteSource,
  { payload }: SetupHeader,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  if (payload?.compression == null) return null
  const packed = partOf(source, payload.offset, payload.length)
  let kept = Buffer.alloc(0)
  let place: PlaceOfNotes | undefined
  let start = 0
  for await (const chunk of decompress(payload.compression, packed, LARGEST)) {
    await setImmediate()
    throwIfAborted(signal)
    if (place === undefined) {
      kept = Buffer.concat([kept, chunk])
      if (kept.length < HEAD) continue
      const found = placeOfNotes(kept)
      if (found === null) return null
      place = found
    } else kept = Buffer.concat([kept, chunk])
    const skipped = Math.min(kept.length, Math.max(0, place.offset - start))
    kept = Buffer.from(kept.subarray(skipped))
    start += skipped
    if (start === place.offset && kept.length >= place.size)
      return buildIdIn(memoryBytes(kept).read(0, place.size), place.byteOrder)
  }
  return null
}

interface PlaceOfNotes {
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly size: number
  readonly byteOrder: ElfHeader['byteOrder']
}

/** Where an ELF file has its notes; null for another file, and for one without notes. */
function placeOfNotes(head: Buffer): PlaceOfNotes | null {
  const header = readElfHeader(head)
  if (header?.table == null) return null
  const { offset, entrySize, count } = header.table
  if (entrySize < programHeaderSize(header) || offset > BigInt(HEAD)) return null
  const table = head.subarray(Number(offset), Math.min(HEAD, Number(offset) + entrySize * count))
  const notes = readProgramHeaders(table, header, entrySize).find(({ type }) => type === PT_NOTE)
  if (notes === undefined || notes.fileSize > BigInt(MOST_NOTES) || notes.offset > BigInt(LARGEST)) return null
  return { offset: Number(notes.offset), size: Number(notes.fileSize), byteOrder: header.byteOrder }
}
