import { DamagedStream } from './reader.ts'

/** Bytes passed on at a time. */
const CHUNK = 512 * 1024

/**
 * The last decompressed bytes, as far back as matches may reach: a ring. Memory that was never written is not resident,
 * so a window of 128 MiB costs no more than the output it has seen.
 */
export class Window {
  readonly #ring: Buffer
  #reach: number
  #at = 0
  #taken = 0
  /** Bytes written since the start of this stream, as far as matches may refer to them. */
  #written = 0

  /**
   * @param reach how far back matches may go, bytes
   * @throws Error with the code ENOMEM
   */
  constructor(reach: number) {
    this.#reach = Math.max(1, reach)
    // Not from Buffer's pool, and zeroed by the operating system when touched.
    this.#ring = Buffer.from(allocate(this.#reach + CHUNK))
  }

  /**
   * A window for another stream: this one where it is large enough, since a window for each of a million empty streams
   * would cost more than they are long.
   */
  again(reach: number): Window {
    if (this.#ring.length < reach + CHUNK) return new Window(reach)
    this.#reach = Math.max(1, reach)
    this.#at = this.#taken = this.#written = 0
    return this
  }

  /** Whether `take` must be called before more is written. */
  get full(): boolean {
    return this.#at === this.#ring.length || this.#at - this.#taken >= CHUNK
  }

  /** Bytes that may be written before the window is full. */
  get room(): number {
    return Math.min(this.#ring.length - this.#at, CHUNK - (this.#at - this.#taken))
  }

  get written(): number {
    return this.#written
  }

  /** The bytes written since the last call; valid until more are written. */
  take(): Buffer {
    const bytes = this.#ring.subarray(this.#taken, this.#at)
    if (this.#at === this.#ring.length) this.#at = 0
    this.#taken = this.#at
    return bytes
  }

  /** Forgets the past: later bytes may not refer to it. */
  forget(): void {
    this.#written = 0
  }

  put(byte: number): void {
    this.#ring[this.#at++] = byte
    this.#written++
  }

  /** The byte `distance` before the next one; 0 before the start, as LZMA's first literal expects. */
  back(distance: number): number {
    if (distance > this.#written) return 0
    const from = this.#at - distance
    return this.#ring[from < 0 ? from + this.#ring.length : from] as number
  }

  /** Appends bytes. @returns the number there was room for */
  append(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.room)
    this.#ring.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#at)
    this.#at += count
    this.#written += count
    return count
  }

  /** Repeats the bytes `distance` back. @returns the number there was room for. @throws DamagedStream */
  repeat(distance: number, length: number): number {
    if (distance > this.#written || distance > this.#reach || distance < 1) {
      throw new DamagedStream('the compressed data refers to bytes before its start')
    }
    const ring = this.#ring
    const count = Math.min(length, this.room)
    let to = this.#at
    let from = to - distance
    if (from < 0) from += ring.length
    for (let left = count; left > 0; left--) {
      ring[to++] = ring[from++] as number
      if (from === ring.length) from = 0
    }
    this.#at = to
    this.#written += count
    return count
  }
}

function allocate(size: number): ArrayBuffer {
  try {
    return new ArrayBuffer(size)
  } catch (cause) {
    throw Object.assign(new Error(`no memory for a window of ${size} bytes`, { cause }), { code: 'ENOMEM' })
  }
}
