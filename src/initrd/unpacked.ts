import { setImmediate } from 'node:timers/promises'
import { type ByteSource, fileBytes, partOf } from '../bytes/bytes.ts'
import { canDecompress, DamagedStream, decompress } from '../compression/decompress.ts'
import { KexecError } from '../errors.ts'
import { compressionAt } from '../image/model/image.ts'
import { MemoryFile } from '../system/memory-file.ts'
import { cpioPadding } from './cpio.ts'
import { isCpio, walkArchives } from './first-archives.ts'

/** Compressions whose decompressors tell where they ended, so that what follows is never lost. */
const exact = new Set(['gzip', 'zstd', 'xz'])

/** What an initrd may unpack to here, bytes: beyond it is loaded as it is. */
const MAX_UNPACKED = 4 * 1024 ** 3 - 1

/** Copied at a time, bytes. */
const CHUNK = 1024 * 1024

/** Unpacked between two calls of `onGrowth`, bytes. */
const GROWTH = 16 * 1024 * 1024

/** How an initrd is unpacked. */
export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes that it takes up so far; what it throws ends the unpacking. */
  readonly onGrowth?: ((size: number) => void) | undefined
}

/** How the archive behind the uncompressed ones is compressed, where `unpackInitrd` can undo it; else null. */
export function unpackableCompression(source: ByteSource): string | null {
  const { compressedAt } = walkArchives(source)
  if (compressedAt === null) return null
  const compression = compressionAt(source.read(compressedAt, 16), 0)
  return compression !== null && exact.has(compression) && canDecompress(compression) ? compression : null
}

/**
 * The same initrd with what is compressed unpacked, in memory: the new kernel reads the same files and need not decompress
 * them. Null where it cannot be the same to the byte: another compression, damage, more archives behind the compressed one, no
 * cpio archive inside; the kernel then makes of it what it can.
 * @throws KexecError 'aborted', 'no-memory' or 'io', and what `onGrowth` throws
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
  let told = 0
  try {
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) return value
      memory.write(value)
      if (memory.size - told >= GROWTH) {
        told = memory.size
        onGrowth?.(told)
      }
      await setImmediate()
      if (signal?.aborted) throw interrupted(signal)
    }
  } finally {
    await chunks.return(undefined)
  }
}

/** Whether nothing but padding follows. */
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
