import { type ByteSource, readInto } from '../bytes/bytes.ts'

/** Compressed bytes that contradict their format; the sentence describes the fault, for administrators. */
export class DamagedStream extends Error {
  override readonly name = 'DamagedStream'
}

/**
 * A decompressor's return value after all its output: where in its source it ended, in bytes; undefined where it does
 * not show that.
 */
export type StreamEnd = number | undefined

/**
 * A decompressor's output when it has none yet, but has worked for a while: its consumer lets other work run, and can
 * stop.
 */
export const PAUSE: Buffer = Buffer.alloc(0)

/** Bytes fetched from the source at a time. */
const CHUNK = 64 * 1024

/** Reads a source from front to back, a chunk at a time. */
export class StreamReader {
  /** Bytes consumed so far. */
  get position(): number {
    return this.#base + this.#at
  }

  readonly #source: ByteSource
  /** Filled repeatedly: the chunks of a file together are as large as it. */
  #space: Buffer | undefined
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #base = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  /** The next byte. @throws DamagedStream at the end */
  byte(): number {
    if (this.#at === this.#chunk.length && !this.#fill()) throw endsEarly()
    return this.#chunk[this.#at++] as number
  }

  /** Whether nothing is left. */
  get ended(): boolean {
    return this.#at === this.#chunk.length && !this.#fill()
  }

  /** The next `length` bytes, which are valid until the next call. @throws DamagedStream where there are fewer */
  bytes(length: number): Buffer {
    const start = this.#at
    if (start + length <= this.#chunk.length) {
      this.#at += length
      return this.#chunk.subarray(start, start + length)
    }
    const position = this.position
    const bytes = this.#source.read(position, length)
    if (bytes.length < length) throw endsEarly()
    this.#base = position + length
    this.#chunk = Buffer.alloc(0)
    this.#at = 0
    return bytes
  }

  /** Continues `length` bytes later, without reading those between. */
  skip(length: number): void {
    if (this.#at + length <= this.#chunk.length) this.#at += length
    else {
      this.#base = this.position + length
      this.#chunk = Buffer.alloc(0)
      this.#at = 0
    }
  }

  /** As `skip`, where the bytes must exist. @throws DamagedStream where the source ends before */
  skipWithin(length: number): void {
    if (length > this.#source.size - this.position) throw endsEarly()
    this.skip(length)
  }

  /** The next bytes, at most `length`, without consuming them. */
  peek(length: number): Buffer {
    return this.#source.read(this.position, length)
  }

  uint32(): number {
    return this.bytes(4).readUInt32LE(0)
  }

  #fill(): boolean {
    this.#base += this.#chunk.length
    if (this.#source.readInto === undefined) this.#chunk = this.#source.read(this.#base, CHUNK)
    else {
      this.#space ??= Buffer.allocUnsafe(CHUNK)
      this.#chunk = readInto(this.#source, this.#space, this.#base)
    }
    this.#at = 0
    return this.#chunk.length > 0
  }
}

export function endsEarly(): DamagedStream {
  return new DamagedStream('the compressed data ends early')
}
