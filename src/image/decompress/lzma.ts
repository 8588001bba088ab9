import type { ByteReader } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'

/** Igor Pavlov's "LZMA specification" (public domain): names of states and probabilities are its own. */
const BITS_MODEL = 11
const HALF = 1 << (BITS_MODEL - 1)
const MOVE_BITS = 5
const TOP = 2 ** 24
const MATCH_MIN = 2
const FIRST_WINDOW = 1 << 16
const damaged = () => new DecompressError('it is damaged')

const probabilities = (count: number) => new Uint16Array(count).fill(HALF)

/** What has come out, as far back as a match may refer to. It grows with what comes out, never beyond `limit`. */
class Window {
  private readonly limit: number
  private bytes = Buffer.alloc(FIRST_WINDOW)
  private at = 0
  private flushed = 0
  /** Since the start, or since the dictionary was reset. */
  filled = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get pending(): number {
    return this.at - this.flushed
  }

  put(byte: number): void {
    this.bytes[this.at++] = byte
    this.filled++
  }

  back(distance: number): number {
    const from = this.at - distance - 1
    return this.bytes[from < 0 ? from + this.bytes.length : from] as number
  }

  holds(distance: number): boolean {
    return distance < this.filled && distance < this.limit
  }

  /** Makes room for one byte at least. What is pending has been taken before. */
  makeRoom(): number {
    if (this.at < this.bytes.length) return this.bytes.length - this.at
    if (this.bytes.length < this.limit) {
      const larger = Buffer.alloc(Math.min(this.limit, this.bytes.length * 2))
      this.bytes.copy(larger)
      this.bytes = larger
    } else {
      this.at = 0
      this.flushed = 0
    }
    return this.bytes.length - this.at
  }

  take(): Buffer {
    const piece = this.bytes.subarray(this.flushed, this.at)
    this.flushed = this.at
    return piece
  }

  forget(): void {
    this.filled = 0
  }
}

/** LZMA's range coder, its probabilities and its window: what `.lzma` and LZMA2 have in common. */
export class LzmaDecoder {
  private readonly reader: ByteReader
  private range = 0xffffffff
  private code = 0
  private state = 0
  private repeats: [number, number, number, number] = [0, 0, 0, 0]
  private literalContext = 0
  private positionMask = 0
  private literalPositionMask = 0
  private isMatch = probabilities(192)
  private isRep = probabilities(12)
  private isRepG0 = probabilities(12)
  private isRepG1 = probabilities(12)
  private isRepG2 = probabilities(12)
  private isRep0Long = probabilities(192)
  private slots = probabilities(4 * 64)
  private special = probabilities(128)
  private align = probabilities(16)
  private lengths = probabilities(2 + 2 * 8 * 16 + 256)
  private repeatLengths = probabilities(2 + 2 * 8 * 16 + 256)
  private literals = probabilities(0)
  /** Left of a match that the window or the piece had no room for. */
  private remaining = 0
  private position = 0
  readonly window: Window

  constructor(reader: ByteReader, windowSize: number) {
    this.reader = reader
    this.window = new Window(Math.max(windowSize, 4096))
  }

  /** The byte that holds lc, lp and pb. Begins anew with the probabilities, not with the window. */
  setProperties(properties: number): void {
    if (properties >= 225) throw damaged()
    const lp = Math.trunc(properties / 9) % 5
    this.literalContext = properties % 9
    this.literalPositionMask = (1 << lp) - 1
    this.positionMask = (1 << Math.trunc(properties / 45)) - 1
    this.literals = probabilities(0x300 << (this.literalContext + lp))
    this.resetState()
  }

  resetState(): void {
    this.state = 0
    this.repeats = [0, 0, 0, 0]
    const all = [this.isMatch, this.isRep, this.isRepG0, this.isRepG1, this.isRepG2, this.isRep0Long, this.slots]
    for (const each of [...all, this.special, this.align, this.lengths, this.repeatLengths, this.literals])
      each.fill(HALF)
  }

  resetDictionary(): void {
    this.window.forget()
    this.position = 0
  }

  startRange(): void {
    if (this.reader.byte() !== 0) throw damaged()
    this.range = 0xffffffff
    this.code = 0
    for (let index = 0; index < 4; index++) this.code = ((this.code << 8) | this.reader.byte()) >>> 0
  }

  /** After all of a chunk, nothing may be left in the range coder or of a match. */
  get isFinished(): boolean {
    return this.code === 0 && this.remaining === 0
  }

  put(byte: number): void {
    this.window.put(byte)
    this.position = (this.position + 1) >>> 0
  }

  /** Unpacks at most `wanted` bytes; fewer where the window ends. False when the end mark came. */
  run(wanted: number): boolean {
    let room = Math.min(wanted, this.window.makeRoom())
    while (room > 0) {
      if (this.remaining > 0) {
        this.remaining--
        this.put(this.window.back(this.repeats[0]))
        room--
      } else {
        const positionState = this.position & this.positionMask
        if (this.bit(this.isMatch, this.state * 16 + positionState) === 0) {
          this.literal()
          room--
        } else if (!this.match(positionState)) return false
      }
    }
    return true
  }

  /** Reads an end mark where one may stand; false when something else does. */
  endMark(): boolean {
    const positionState = this.position & this.positionMask
    return (
      this.remaining === 0 &&
      this.bit(this.isMatch, this.state * 16 + positionState) === 1 &&
      !this.match(positionState)
    )
  }

  private literal(): void {
    const previous = this.window.filled > 0 ? this.window.back(0) : 0
    const low = (this.position & this.literalPositionMask) << this.literalContext
    const base = 0x300 * (low + (previous >> (8 - this.literalContext)))
    let symbol = 1
    if (this.state >= 7) {
      let match = this.window.back(this.repeats[0])
      while (symbol < 0x100) {
        const expected = (match >> 7) & 1
        match <<= 1
        const bit = this.bit(this.literals, base + ((1 + expected) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (bit !== expected) break
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.bit(this.literals, base + symbol)
    this.put(symbol & 0xff)
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6
  }

  /** Sets the match that comes next. False when it is the end mark. */
  private match(positionState: number): boolean {
    const { state, repeats } = this
    if (this.bit(this.isRep, state) === 0) {
      this.repeats = [0, repeats[0], repeats[1], repeats[2]]
      const length = this.length(this.lengths, positionState)
      this.state = state < 7 ? 7 : 10
      const distance = this.distance(length)
      if (distance === 0xffffffff) return false
      this.repeats[0] = distance
      this.remaining = length + MATCH_MIN
    } else this.remaining = this.repeat(positionState)
    if (!this.window.holds(this.repeats[0])) throw damaged()
    return true
  }

  /** A match at one of the last four distances, which becomes the last one. Returns its length. */
  private repeat(positionState: number): number {
    const { state, repeats } = this
    if (this.bit(this.isRepG0, state) === 0) {
      if (this.bit(this.isRep0Long, state * 16 + positionState) === 0) {
        this.state = state < 7 ? 9 : 11
        return 1
      }
    } else {
      const chosen = this.bit(this.isRepG1, state) === 0 ? 1 : 2 + this.bit(this.isRepG2, state)
      const distance = repeats[chosen] as number
      for (let index = chosen; index > 0; index--) repeats[index] = repeats[index - 1] as number
      repeats[0] = distance
    }
    this.state = state < 7 ? 8 : 11
    return MATCH_MIN + this.length(this.repeatLengths, positionState)
  }

  private length(table: Uint16Array, positionState: number): number {
    if (this.bit(table, 0) === 0) return this.tree(table, 2 + positionState * 8, 3)
    if (this.bit(table, 1) === 0) return 8 + this.tree(table, 2 + 128 + positionState * 8, 3)
    return 16 + this.tree(table, 2 + 256, 8)
  }

  private distance(length: number): number {
    const slot = this.tree(this.slots, Math.min(length, 3) * 64, 6)
    if (slot < 4) return slot
    const direct = (slot >> 1) - 1
    const base = ((2 | (slot & 1)) << direct) >>> 0
    if (slot < 14) return base + this.reverse(this.special, base - slot, direct)
    let high = 0
    for (let index = direct - 4; index > 0; index--) {
      this.normalise()
      this.range = this.range >>> 1
      const bit = this.code >= this.range ? 1 : 0
      if (bit === 1) this.code -= this.range
      high = high * 2 + bit
    }
    return base + high * 16 + this.reverse(this.align, 0, 4)
  }

  private tree(table: Uint16Array, base: number, bits: number): number {
    let symbol = 1
    for (let index = 0; index < bits; index++) symbol = (symbol << 1) | this.bit(table, base + symbol)
    return symbol - (1 << bits)
  }

  private reverse(table: Uint16Array, base: number, bits: number): number {
    let [node, symbol] = [1, 0]
    for (let index = 0; index < bits; index++) {
      const bit = this.bit(table, base + node)
      node = (node << 1) | bit
      symbol |= bit << index
    }
    return symbol
  }

  private bit(table: Uint16Array, index: number): 0 | 1 {
    this.normalise()
    const probability = table[index] as number
    const bound = (this.range >>> BITS_MODEL) * probability
    if (this.code < bound) {
      this.range = bound
      table[index] = probability + (((1 << BITS_MODEL) - probability) >> MOVE_BITS)
      return 0
    }
    this.range -= bound
    this.code -= bound
    table[index] = probability - (probability >> MOVE_BITS)
    return 1
  }

  normalise(): void {
    if (this.range >= TOP) return
    this.range = (this.range << 8) >>> 0
    this.code = ((this.code << 8) | this.reader.byte()) >>> 0
  }
}
