import type { ByteSource } from '../bytes/bytes.ts'
import { DamagedStream, StreamReader } from './reader.ts'
import { Window } from './window.ts'

/** Largest accepted window, in bytes: `xz -9` and the kernel's build use at most 128 MiB. */
export const MAX_WINDOW = 256 * 1024 * 1024

/** The range is widened when its highest byte is 0. */
const HIGH_BYTE = 0xff << 24
const HALF = 1 << 10
const MATCH_MIN = 2

/** Where each set of probabilities begins in the one array that holds them all. Names: doc/lzma-specification of the LZMA SDK. */
const isMatch = 0
const isRep = isMatch + 12 * 16
const isRepG0 = isRep + 12
const isRepG1 = isRepG0 + 12
const isRepG2 = isRepG1 + 12
const isRep0Long = isRepG2 + 12
const posSlot = isRep0Long + 12 * 16
const posSpecial = posSlot + 4 * 64
const posAlign = posSpecial + 128
const matchLength = posAlign + 16
const LENGTH_CODER = 2 + 16 * 8 * 2 + 256
const repLength = matchLength + LENGTH_CODER
const literal = repLength + LENGTH_CODER

/** The LZMA decoder: "LZMA specification" by Igor Pavlov. It writes into a window that the caller empties. */
export class LzmaDecoder {
  readonly #input: StreamReader
  readonly #window: Window
  #probabilities = new Uint16Array(0)
  #literalContext = 0
  #literalPosition = 0
  #positionMask = 0
  // Both are 32-bit integers whose sign has no meaning: engines keep such numbers unboxed.
  #range = -1
  #code = 0
  #state = 0
  #rep0 = 0
  #rep1 = 0
  #rep2 = 0
  #rep3 = 0
  #pending = 0

  constructor(input: StreamReader, window: Window) {
    this.#input = input
    this.#window = window
  }

  /** @param properties the byte that holds lc, lp and pb */
  setProperties(properties: number): void {
    if (properties >= 9 * 5 * 5) throw new DamagedStream('the LZMA properties are not valid')
    this.#literalContext = properties % 9
    this.#literalPosition = Math.floor(properties / 9) % 5
    this.#positionMask = (1 << Math.floor(properties / 45)) - 1
    const size = literal + (0x300 << (this.#literalContext + this.#literalPosition))
    if (this.#probabilities.length !== size) this.#probabilities = new Uint16Array(size)
    this.resetState()
  }

  resetState(): void {
    this.#probabilities.fill(HALF)
    this.#state = 0
    this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0
    this.#pending = 0
  }

  startRangeCoder(): void {
    if (this.#input.byte() !== 0) throw new DamagedStream('the LZMA data does not begin with a zero')
    this.#code = this.#input.bytes(4).readInt32BE(0)
    this.#range = -1
  }

  /** Whether `decode`'s length cut off the last match, which LZMA2 does not allow at a chunk's end. */
  get unfinished(): boolean {
    return this.#pending > 0
  }

  /** Whether the range coder ended as it must, at the end of a chunk or stream. */
  get endedWell(): boolean {
    this.#normalise()
    return this.#code === 0
  }

  /** Brings the range coder to the state in which an encoder ends. */
  #normalise(): void {
    if ((this.#range & HIGH_BYTE) !== 0) return
    this.#range <<= 8
    this.#code = (this.#code << 8) | this.#input.byte()
  }

  /**
   * Decodes until `length` bytes were written or the window is full.
   * @returns bytes that were written, or -1 - that number at the end marker
   */
  decode(length: number): number {
    const window = this.#window
    let left = Math.min(length, window.room)
    const wanted = left
    while (left > 0) {
      if (this.#pending > 0) {
        const count = window.repeat(this.#rep0 + 1, Math.min(this.#pending, left))
        this.#pending -= count
        left -= count
        continue
      }
      const position = window.written & this.#positionMask
      if (this.#bit(isMatch + this.#state * 16 + position) === 0) {
        this.#literal()
        left--
      } else if (this.#bit(isRep + this.#state) === 0) {
        this.#match(position)
        if (this.#rep0 === 0xffffffff) {
          this.#pending = 0
          return -1 - (wanted - left)
        }
      } else if (this.#repeated(position)) left--
    }
    return wanted - left
  }

  #literal(): void {
    const window = this.#window
    const low = window.written & ((1 << this.#literalPosition) - 1)
    const context = (low << this.#literalContext) + (window.back(1) >> (8 - this.#literalContext))
    const base = literal + 0x300 * context
    let symbol = 1
    if (this.#state >= 7) {
      let match = window.back(this.#rep0 + 1)
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1
        match <<= 1
        const bit = this.#bit(base + ((1 + matchBit) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (matchBit !== bit) break
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol)
    window.put(symbol & 0xff)
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #match(position: number): void {
    this.#rep3 = this.#rep2
    this.#rep2 = this.#rep1
    this.#rep1 = this.#rep0
    const length = this.#length(matchLength, position)
    this.#state = this.#state < 7 ? 7 : 10
    this.#rep0 = this.#distance(length)
    this.#pending = length + MATCH_MIN
  }

  /** One of the last four distances again. @returns whether it was a single byte, already written */
  #repeated(position: number): boolean {
    const state = this.#state
    if (this.#bit(isRepG0 + state) === 0) {
      if (this.#bit(isRep0Long + state * 16 + position) === 0) {
        this.#state = state < 7 ? 9 : 11
        this.#window.repeat(this.#rep0 + 1, 1)
        return true
      }
    } else {
      let distance = this.#rep1
      if (this.#bit(isRepG1 + state) === 1) {
        distance = this.#rep2
        if (this.#bit(isRepG2 + state) === 1) {
          distance = this.#rep3
          this.#rep3 = this.#rep2
        }
        this.#rep2 = this.#rep1
      }
      this.#rep1 = this.#rep0
      this.#rep0 = distance
    }
    this.#pending = this.#length(repLength, position) + MATCH_MIN
    this.#state = state < 7 ? 8 : 11
    return false
  }

  #length(base: number, position: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + 2 + position * 8, 3)
    if (this.#bit(base + 1) === 0) return 8 + this.#tree(base + 2 + 128 + position * 8, 3)
    return 16 + this.#tree(base + 2 + 256, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(posSlot + Math.min(length, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const high = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return high + this.#reverseTree(posSpecial + high - slot, bits)
    return high + this.#direct(bits - 4) * 16 + this.#reverseTree(posAlign, 4)
  }

  #tree(base: number, bits: number): number {
    let symbol = 1
    for (let left = bits; left > 0; left--) symbol = (symbol << 1) | this.#bit(base + symbol)
    return symbol - (1 << bits)
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1
    let value = 0
    for (let index = 0; index < bits; index++) {
      const bit = this.#bit(base + symbol)
      symbol = (symbol << 1) | bit
      value |= bit << index
    }
    return value
  }

  #direct(bits: number): number {
    let value = 0
    for (let left = bits; left > 0; left--) {
      this.#normalise()
      this.#range = (this.#range >>> 1) | 0
      const bit = this.#code >>> 0 >= this.#range >>> 0 ? 1 : 0
      if (bit === 1) this.#code = (this.#code - this.#range) | 0
      value = (value << 1) | bit
    }
    return value
  }

  #bit(index: number): 0 | 1 {
    if ((this.#range & HIGH_BYTE) === 0) {
      this.#range <<= 8
      this.#code = (this.#code << 8) | this.#input.byte()
    }
    const probability = this.#probabilities[index] as number
    const bound = Math.imul(this.#range >>> 11, probability)
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound
      this.#probabilities[index] = probability + ((2048 - probability) >> 5)
      return 0
    }
    this.#range = (this.#range - bound) | 0
    this.#code = (this.#code - bound) | 0
    this.#probabilities[index] = probability - (probability >> 5)
    return 1
  }
}

/**
 * The .lzma format of LZMA Utils ("LZMA alone"): with a size in its header, with an end marker, or with both. It has no
 * check, but the final state of the range coder reveals nearly all damage. Data behind the stream is ignored.
 */
export function* unlzma(source: ByteSource, limit = Number.POSITIVE_INFINITY): Generator<Buffer> {
  const input = new StreamReader(source)
  const header = Buffer.from(input.bytes(13))
  const dictionary = header.readUInt32LE(1)
  if (dictionary > MAX_WINDOW) throw new DamagedStream(`the LZMA window of ${dictionary} bytes is too large`)
  const size = header.readBigUInt64LE(5)
  const known = size !== 0xffffffffffffffffn
  if (known && size > BigInt(Number.MAX_SAFE_INTEGER)) throw new DamagedStream('the LZMA data claims an absurd size')
  let left = known ? Number(size) : Number.POSITIVE_INFINITY
  const window = new Window(Math.max(4096, Math.min(dictionary, left, limit)))
  const decoder = new LzmaDecoder(input, window)
  decoder.setProperties(header[0] as number)
  decoder.startRangeCoder()
  let marked = false
  while (left > 0 && !marked) {
    const count = decoder.decode(left)
    marked = count < 0
    left -= marked ? -1 - count : count
    const chunk = window.take()
    if (chunk.length > 0) yield chunk
  }
  if (marked && known && left > 0) throw new DamagedStream('the LZMA data ends before the size in its header')
  if (decoder.unfinished) throw new DamagedStream('the LZMA data goes on after the size in its header')
  // A size in the header does not forbid a marker.
  const ended = marked || decoder.endedWell || decoder.decode(1) === -1
  if (!ended || !decoder.endedWell) throw new DamagedStream('the LZMA data is damaged')
}
