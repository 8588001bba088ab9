import { setImmediate } from 'node:timers/promises'
import { KexecError } from '../errors.ts'
import { MemoryFile } from '../system/memory-file.ts'
import type { InitrdPart, SyncInitrdPart } from './part.ts'

/** Written at a time, bytes. */
const CHUNK = 1024 * 1024

/** A cpio header must begin on a multiple of 4 bytes of the whole, else the kernel takes it for a compressed archive. */
const ALIGNMENT = 4

/**
 * Zeros that lie at least between two parts, bytes. The kernel's lz4 decompressor takes the four bytes behind its last block
 * for the size of another one, and only a size of 0 ends it (lib/decompress_unlz4.c): without them, what follows an lz4 archive
 * is lost, as seen in QEMU. What the last archive of a part is, is not known, so they are always there.
 */
const SEPARATION = 4

/** An initrd as the syscall takes it: one descriptor, or -1 for none. */
export interface InitrdDescriptor {
  readonly fd: number
  /** Bytes. */
  readonly size: number
  /** Frees the memory; a part's own descriptor stays open. */
  close(): void
}

export interface JoinOptions {
  readonly signal?: AbortSignal | undefined
  /** Called after each piece, with the bytes of the parts that were written, and how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Makes one initrd of several, in order. None gives -1, and a single file that is open its own descriptor, so that its IMA
 * signature counts. All else is copied into a file in memory, with zeros between, a piece at a time: other work has its turn
 * between the pieces.
 * @throws KexecError 'file-changed' when a part has not the bytes it said, 'aborted', 'no-memory', 'io', and what a part throws
 */
export async function joinInitrds(parts: readonly InitrdPart[], options: JoinOptions = {}): Promise<InitrdDescriptor> {
  throwIfAborted(options.signal)
  const whole = wholeFile(parts)
  if (whole !== undefined) return whole
  const joint = new Joint(parts, options)
  try {
    for (const part of joint.parts()) {
      for await (const chunk of part.chunks(options.signal)) {
        if (!joint.take(chunk)) continue
        await setImmediate()
        throwIfAborted(options.signal)
      }
    }
    throwIfAborted(options.signal)
    return joint.finish()
  } catch (error) {
    throw joint.failed(error)
  }
}

/** The same at once, for parts that can be read at once. Blocks the event loop until all is copied. */
export function joinInitrdsSync(parts: readonly SyncInitrdPart[]): InitrdDescriptor {
  const whole = wholeFile(parts)
  if (whole !== undefined) return whole
  const joint = new Joint(parts, {})
  try {
    for (const part of joint.parts()) for (const chunk of (part as SyncInitrdPart).chunks()) joint.take(chunk)
    return joint.finish()
  } catch (error) {
    throw joint.failed(error)
  }
}

/** What needs no copy: nothing, or one file. */
function wholeFile(parts: readonly InitrdPart[]): InitrdDescriptor | undefined {
  const [first] = parts
  if (first === undefined) return { fd: -1, size: 0, close: () => {} }
  if (parts.length > 1 || first.fd === null) return undefined
  return { fd: first.fd, size: first.size, close: () => {} }
}

/** Parts on their way into memory. Small chunks, such as the headers of an archive, are gathered: a write costs a syscall. */
class Joint {
  readonly #parts: readonly InitrdPart[]
  readonly #options: JoinOptions
  readonly #memory: MemoryFile
  readonly #gathered = Buffer.allocUnsafe(CHUNK)
  #gatheredBytes = 0
  /** Of all parts, and of the one that is at it. */
  #done = 0
  #ofPart = 0

  constructor(parts: readonly InitrdPart[], options: JoinOptions) {
    this.#parts = parts
    this.#options = options
    this.#memory = new MemoryFile('linux-kexec-initrd', 'for the initrds')
  }

  /** One after the other, with what belongs between, each checked once all of it was taken. */
  *parts(): Generator<InitrdPart> {
    for (const part of this.#parts) {
      const end = this.#memory.size + this.#gatheredBytes
      if (end > 0) {
        const begin = Math.ceil((end + SEPARATION) / ALIGNMENT) * ALIGNMENT
        this.#write(Buffer.alloc(begin - end))
      }
      this.#ofPart = 0
      yield part
      if (this.#ofPart !== part.size) throw changed(part, this.#ofPart)
    }
  }

  /** @returns whether something was written, so that others should have their turn */
  take(chunk: Buffer): boolean {
    this.#ofPart += chunk.length
    this.#done += chunk.length
    const written = this.#write(chunk)
    if (written) this.#report()
    return written
  }

  finish(): InitrdDescriptor {
    this.#flush()
    this.#report()
    const memory = this.#memory
    return { fd: memory.fd, size: memory.size, close: () => memory.close() }
  }

  /** Frees the memory. @returns what to throw */
  failed(error: unknown): unknown {
    this.#memory.close()
    const code = error instanceof KexecError ? undefined : (error as NodeJS.ErrnoException).code
    if (code === undefined) return error
    const reason = code === 'ENOMEM' || code === 'ENOSPC' ? 'no-memory' : 'io'
    return new KexecError('the initrds could not be joined in memory', { reason, cause: error, code })
  }

  #write(chunk: Buffer): boolean {
    const isFull = this.#gatheredBytes + chunk.length > CHUNK
    if (isFull) this.#flush()
    if (chunk.length >= CHUNK) {
      this.#memory.write(chunk)
      return true
    }
    this.#gatheredBytes += chunk.copy(this.#gathered, this.#gatheredBytes)
    return isFull
  }

  #flush(): void {
    this.#memory.write(this.#gathered.subarray(0, this.#gatheredBytes))
    this.#gatheredBytes = 0
  }

  #report(): void {
    const total = this.#parts.reduce((sum, part) => sum + part.size, 0)
    this.#options.onProgress?.(this.#done, total)
  }
}

function changed(part: InitrdPart, size: number): KexecError {
  return new KexecError(`an initrd has ${size} bytes where it had ${part.size}: it was changed while it was read`, {
    reason: 'file-changed',
    path: part.name,
    hint: 'Wait until whatever writes it has finished, and plan again.',
    refused: true,
  })
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted while the initrds were joined; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}
