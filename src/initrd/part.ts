import type { ByteSource } from '../image/bytes.ts'
import { type ExtractOptions, readPart } from '../image/extract.ts'
import type { LocatedPart } from '../image/nested.ts'

/** Read at a time, bytes. */
const CHUNK = 1024 * 1024

/** One of the archives that an initrd is joined of. */
export interface InitrdPart {
  /** For messages: its path, or what it is a part of and its name. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** A descriptor of a file that is this part and nothing else; null for what is in a file, or in none. Stays the caller's. */
  readonly fd: number | null
  /** Its bytes, read when they are asked for. A chunk is valid until the next one is asked for. */
  chunks(signal?: AbortSignal): Iterable<Buffer> | AsyncIterable<Buffer>
}

/** A part that can be read at once. */
export interface SyncInitrdPart extends InitrdPart {
  chunks(): Iterable<Buffer>
}

/**
 * What can be read as it is: a file, bytes in memory, or a part of either.
 * @param fd of the file when the part is the whole of it
 */
export function sourcePart(name: string, source: ByteSource, fd: number | null = null): SyncInitrdPart {
  return { name, size: source.size, fd, chunks: () => pieces(source) }
}

/** A part of a kernel's container, verified against the container's hashes while it is read. */
export function locatedPart(name: string, located: LocatedPart, options: ExtractOptions = {}): InitrdPart {
  return {
    name,
    size: located.part.length,
    fd: null,
    chunks: (signal) => readPart(located, { ...options, ...(signal ? { signal } : {}) }),
  }
}

function* pieces(source: ByteSource): Generator<Buffer> {
  for (let offset = 0; offset < source.size; offset += CHUNK) {
    const piece = source.read(offset, CHUNK)
    // A file that became shorter: who joins the parts counts, and says so.
    if (piece.length === 0) return
    yield piece
  }
}
