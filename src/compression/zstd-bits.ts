import { DamagedStream } from './reader.ts'

/** Eight zeros on either side of a stream: reads near an end need no test. */
const MARGIN = 8

/** The stream being read: there is never more than one at a time, and copies of all would be as much as the file. */
let space = new Uint8Array(0)

/** Reads bits from a stream's end to its start, as zstd's entropy coders write them. */
export class BackwardBits {
  /** Remaining bits; below 0 when more were read than exist, which read as zeros. */
  left: number
  readonly #bytes: Uint8Array

  /** Valid until the next one is made. @throws DamagedStream where the last byte, which marks the end with its highest bit, is missing or 0 */
  constructor(bytes: Uint8Array) {
    const last = bytes[bytes.length - 1] ?? 0
    if (last === 0) throw new DamagedStream('a zstd block lacks its end mark')
    const end = MARGIN + bytes.length
    if (space.length < end + MARGIN) space = new Uint8Array(end + MARGIN)
    space.set(bytes, MARGIN)
    space.fill(0, end, end + MARGIN)
    this.#bytes = space
    this.left = (bytes.length - 1) * 8 + (31 - Math.clz32(last))
  }

  /** @param count at most 24 */
  read(count: number): number {
    this.left -= count
    return this.#at(this.left) & ((1 << count) - 1)
  }

  /** As `read`, for up to 32 bits. */
  readLong(count: number): number {
    if (count <= 24) return this.read(count)
    const high = this.read(count - 24)
    return high * 0x1000000 + this.read(24)
  }

  /** The next `count` bits without consuming them. */
  peek(count: number): number {
    return this.#at(this.left - count) & ((1 << count) - 1)
  }

  #at(bit: number): number {
    if (bit < -32) return 0
    const bytes = this.#bytes
    const at = (bit >> 3) + MARGIN
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
    return (low | ((bytes[at + 3] as number) << 24)) >>> (bit & 7)
  }
}

/** A finite state entropy table: RFC 8878, 4.1. */
export interface FseTable {
  readonly accuracy: number
  readonly symbols: Uint8Array
  readonly bits: Uint8Array
  readonly baselines: Uint16Array
}

/** A table that always gives the same symbol. */
export function constantTable(symbol: number): FseTable {
  return { accuracy: 0, symbols: Uint8Array.of(symbol), bits: Uint8Array.of(0), baselines: Uint16Array.of(0) }
}

/** RFC 8878, 4.1.1. @param counts of each symbol; -1 is "less than one" */
export function buildTable(counts: readonly number[], accuracy: number): FseTable {
  const size = 1 << accuracy
  const symbols = new Uint8Array(size)
  const next = new Uint16Array(counts.length)
  let high = size
  for (const [symbol, count] of counts.entries()) {
    if (count === -1) symbols[--high] = symbol
    next[symbol] = count === -1 ? 1 : count
  }
  const step = (size >> 1) + (size >> 3) + 3
  let place = 0
  for (const [symbol, count] of counts.entries()) {
    for (let index = 0; index < count; index++) {
      symbols[place] = symbol
      do place = (place + step) & (size - 1)
      while (place >= high)
    }
  }
  const bits = new Uint8Array(size)
  const baselines = new Uint16Array(size)
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number
    const number = next[symbol] as number
    next[symbol] = number + 1
    const width = accuracy - (31 - Math.clz32(number))
    bits[state] = width
    baselines[state] = (number << width) - size
  }
  return { accuracy, symbols, bits, baselines }
}

/**
 * Reads a table's description: RFC 8878, 4.1.1.
 * @returns the table and how many bytes its description has. @throws DamagedStream
 */
export function readTable(
  bytes: Uint8Array,
  maxAccuracy: number,
  maxSymbol: number,
): { table: FseTable; length: number } {
  let bit = 0
  const read = (count: number): number => {
    let value = 0
    for (let index = 0; index < count; index++, bit++) {
      value |= (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) << index
    }
    return value
  }
  const accuracy = read(4) + 5
  if (accuracy > maxAccuracy) throw new DamagedStream('a zstd table is larger than allowed')
  const counts: number[] = []
  let remaining = (1 << accuracy) + 1
  while (remaining > 1 && counts.length <= maxSymbol) {
    const width = 32 - Math.clz32(remaining)
    const low = read(width - 1)
    const threshold = (1 << width) - 1 - remaining
    let value = low
    if (low >= threshold) {
      const high = read(1) << (width - 1)
      value = low + high
      if (high !== 0) value -= threshold
    }
    const count = value - 1
    remaining -= Math.abs(count)
    counts.push(count)
    if (count !== 0) continue
    for (let repeat = 3; repeat === 3; ) {
      repeat = read(2)
      for (let index = 0; index < repeat; index++) counts.push(0)
      if (counts.length > maxSymbol + 1) break
    }
  }
  const length = (bit + 7) >> 3
  if (remaining !== 1 || counts.length > maxSymbol + 1 || length > bytes.length) {
    throw new DamagedStream('a zstd table is damaged')
  }
  return { table: buildTable(counts, accuracy), length }
}
