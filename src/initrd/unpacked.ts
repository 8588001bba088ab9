import { setImmediate } from 'node:timers/promises'
import { type ByteSource, fileBytes, partOf } from '../bytes/bytes.ts'
import { canDecompress, DamagedStream, decompress } from '../compression/decompress.ts'
import { KexecError } from '../errors.ts'
import { compressionAt } from '../image/model/image.ts'
import { MemoryFile } from '../system/memory-file.ts'
import { cpioPadding } from './cpio.ts'
import { isCpio, walkArchives } from './first-archives.ts'

/** Compressions whose decompressors report their end, so that the following data is never lost. */
const exact = new Set(['gzip', 'zstd', 'xz'])

/** The most that an initrd may unpack to here, in bytes: a larger one is loaded as it is. */
const MAX_UNPACKED = 4 * 1024 ** 3 - 1

/** Bytes copied at a time. */
const CHUNK = 1024 * 1024

/** Bytes unpacked between two calls of `onGrowth`. */
const GROWTH = 16 * 1024 * 1024

/** Options of unpacking an initrd. */
export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with its present size in bytes; an exception ends the unpacking. */
  readonly onGrowth?: ((size: number) => void) | undefined
}

/** The compression of the archive behind the uncompressed ones, where `unpackInitrd` can undo it; else null. */
export function unpackableCompression(source: ByteSource): string | null {
  const { compressedAt } = walkArchives(source)
  if (compressedAt === null) return null
  const compression = compressionAt(source.read(compressedAt, 16), 0)
  return compression !== null && exact.has(compression) && canDecompress(compression) ? compression : null
}

/**
 * The same initrd with its compressed part unpacked, in memory: the new kernel reads the same files and need not
 * decompress them. Null where it cannot be the same to the byte: another compression, damage, more archives behind the
 * compressed one, no cpio archive inside. The kernel then reads it as it is.
 * @throws KexecError 'aborted', 'no-memory' or 'io', and the errors of `onGrowth`
 */
export async function unpackInitrd(source: ByteSource, options: UnpackOptions = {}): Promise<MemoryFile | null> {
  const compression = unpackableCompression(source)
  const start = walkArchives(source).compressedAt
  if (compression === null || start === null) return null
  const memory = new MemoryFile('linux-kexec-unpacked', 'for the unpacked initrd')
  let isSame = false
  try {
    for (let at = 0; at < start; at += CHUNK) memory.write(source.read(at, Math.min(CHUNK, start - at)))
    memory.write(cpioPadding(memory.size))
    const archive = memory.size
    const packed = partOf(source, start, source.size - start)
    const end = await unpack(memory, compression, packed, options)
    isSame = end !== undefined && isZero(packed, end) && isCpio(fileBytes(memory.file, memory.size).read(archive, 6), 0)
  } catch (error) {
    if (!(error instanceof DamagedStream)) {
      memory.close()
      throw asKexecError(error)
    }
  }
  if (isSame) return memory
  memory.close()
  return null
}

async function unpack(
  memory: MemoryFile,
  compression: string,
  packed: ByteSource,
  { signal, onGrowth }: UnpackOptions,
): Promise<number | undefined> {
  const chunks = decompress(compression, packed, MAX_UNPACKED)
  let reported = 0
  try {
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) return value
      memory.write(value)
      if (memory.size - reported >= GROWTH) {
        reported = memory.size
        onGrowth?.(reported)
      }
      await setImmediate()
      if (signal?.aborted) throw interrupted(signal)
    }
  } finally {
    await chunks.return(undefined)
  }
}

/** Whether only padding follows. */
function isZero(source: ByteSource, from: number): boolean {
  for (let at = from; at < source.size; at += CHUNK) {
    const piece = source.read(at, CHUNK)
    if (piece.length === 0 || piece.some((byte) => byte !== 0)) return false
  }
  return true
}

function interrupted(signal: AbortSignal): KexecError {
  return new KexecError('interrupted while the initrd was unpacked; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}

function asKexecError(error: unknown): KexecError {
  if (error instanceof KexecError) return error
  const { code } = error as NodeJS.ErrnoException
  return new KexecError('the initrd could not be unpacked in memory', {
    reason: code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io',
    cause: error,
    ...(code ? { code } : {}),
  })
}
