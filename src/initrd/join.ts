import { setImmediate } from 'node:timers/promises'
import type { ByteSource } from '../bytes/bytes.ts'
import { KexecError } from '../errors.ts'
import { MemoryFile } from '../system/memory-file.ts'
import { cpioPadding } from './cpio.ts'

/** Bytes copied at a time. */
const CHUNK = 1024 * 1024

/**
 * The least number of zeros between two parts, in bytes. The kernel's lz4 decompressor takes the four bytes behind its
 * last block for the size of another one, and only a size of 0 ends it (lib/decompress_unlz4.c). Without them, the data
 * behind an lz4 archive is lost, as seen in QEMU. The kind of a part's last archive is unknown, so the zeros are always
 * there.
 */
const SEPARATION = 4

/** One of the archives that are joined to the initrd. */
export interface InitrdPart {
  /** For messages. */
  readonly name: string
  /** Its bytes, or their source in order, where each chunk is valid until the next is requested. */
  readonly bytes: ByteSource | AsyncIterable<Buffer>
  /** A descriptor with exactly this content, or null. */
  readonly fd: number | null
}

/** An initrd as the syscall takes it: one descriptor, or -1 for none. */
export interface InitrdDescriptor {
  readonly fd: number
  close(): void
}

/**
 * Makes one initrd of several archives, in order. None gives -1, and a single file its own descriptor, so that its IMA
 * signature still counts. Otherwise all are copied into one file in memory. Each part begins on a multiple of 4 bytes,
 * as the kernel's unpacker requires of archives, and behind at least 4 zeros.
 * @throws KexecError 'aborted', 'file-changed', 'no-memory' or 'io'
 */
export async function joinInitrds(
  parts: readonly InitrdPart[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<InitrdDescriptor> {
  const single = singleDescriptor(parts)
  if (single !== undefined) return single
  const memory = new MemoryFile('linux-kexec-initrd', 'for the initrds')
  try {
    for (const part of parts) {
      memory.write(separation(memory.size))
      for await (const chunk of 'read' in part.bytes ? pieces(part, part.bytes) : part.bytes) {
        throwIfAborted(options.signal)
        memory.write(chunk)
        await setImmediate()
      }
    }
    return memory
  } catch (error) {
    memory.close()
    throw asKexecError(error)
  }
}

/** The same synchronously, for parts that can all be read so. */
export function joinInitrdsSync(parts: readonly (InitrdPart & { readonly bytes: ByteSource })[]): InitrdDescriptor {
  const single = singleDescriptor(parts)
  if (single !== undefined) return single
  const memory = new MemoryFile('linux-kexec-initrd', 'for the initrds')
  try {
    for (const part of parts) {
      memory.write(separation(memory.size))
      for (const chunk of pieces(part, part.bytes)) memory.write(chunk)
    }
    return memory
  } catch (error) {
    memory.close()
    throw asKexecError(error)
  }
}

/** The padding between a part's end and the next part. */
function separation(end: number): Buffer {
  return end === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.alloc(SEPARATION), cpioPadding(end + SEPARATION)])
}

function singleDescriptor(parts: readonly InitrdPart[]): InitrdDescriptor | undefined {
  if (parts.length > 1) return undefined
  const fd = parts.length === 0 ? -1 : parts[0]?.fd
  return fd == null ? undefined : { fd, close: () => {} }
}

function* pieces({ name }: InitrdPart, source: ByteSource): Generator<Buffer> {
  for (let offset = 0; offset < source.size; ) {
    const piece = source.read(offset, CHUNK)
    if (piece.length === 0) {
      throw new KexecError('the file shrank while it was read', {
        reason: 'file-changed',
        path: name,
        hint: 'Try again when nothing writes it any more.',
        refused: true,
      })
    }
    yield piece
    offset += piece.length
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted while the initrds were joined; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}

function asKexecError(error: unknown): KexecError {
  if (error instanceof KexecError) return error
  const { code } = error as NodeJS.ErrnoException
  const reason = code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io'
  return new KexecError('the initrds could not be joined in memory', {
    reason,
    cause: error,
    ...(code ? { code } : {}),
  })
}
