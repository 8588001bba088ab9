import type { ByteSource } from '../bytes/bytes.ts'
import { DamagedStream, PAUSE, StreamReader } from './reader.ts'

/** Of the bzip2 file format: a block's mark (pi, as decimal digits) and a stream's end (its square root). */
const BLOCK = 0x314159265359
const END = 0x177245385090

const MAX_CODE_LENGTH = 20
const GROUP = 50
/** Bytes passed on at a time, and the most that one run-length byte may add. */
const CHUNK = 256 * 1024
const LONGEST_RUN = 256

/** bzip2, several consecutive streams; the CRCs of blocks and streams are checked. Other data ends it. */
export function* unbzip2(source: ByteSource): Generator<Buffer> {
  const input = new BitReader(new StreamReader(source))
  let streams = 0
  // Of the largest level so far: a new one for each stream would cost more than an empty stream is long.
  let space = new Int32Array(0)
  const chunk = Buffer.from(new ArrayBuffer(CHUNK + LONGEST_RUN))
  for (;;) {
    const magic = input.reader.peek(4)
    const level = magic.length === 4 && magic.toString('latin1', 0, 3) === 'BZh' ? (magic[3] as number) - 0x30 : 0
    if (level < 1 || level > 9) {
      if (streams > 0) return
      throw new DamagedStream('the bzip2 data has no header')
    }
    input.reader.bytes(4)
    streams++
    let combined = 0
    for (;;) {
      const mark = input.bits(24) * 0x1000000 + input.bits(24)
      if (mark === END) break
      if (mark !== BLOCK) throw new DamagedStream('a bzip2 block does not begin where one should')
      if (space.length < level * 100_000) space = new Int32Array(level * 100_000)
      const crc = yield* unpackBlock(input, space.subarray(0, level * 100_000), chunk)
      combined = ((combined << 1) | (combined >>> 31)) ^ crc
      // A block costs its tables, even with little content.
      yield PAUSE
    }
    if (input.bits(32) !== combined >>> 0) throw new DamagedStream('the CRC of the bzip2 data does not match')
    input.align()
    yield PAUSE
  }
}

class BitReader {
  readonly reader: StreamReader
  #bits = 0
  #count = 0

  constructor(reader: StreamReader) {
    this.reader = reader
  }

  bit(): number {
    if (this.#count === 0) {
      this.#bits = this.reader.byte()
      this.#count = 8
    }
    return (this.#bits >> --this.#count) & 1
  }

  bits(length: number): number {
    let value = 0
    for (let left = length; left > 0; ) {
      if (this.#count === 0) {
        this.#bits = this.reader.byte()
        this.#count = 8
      }
      const taken = Math.min(left, this.#count)
      this.#count -= taken
      value = value * 2 ** taken + ((this.#bits >> this.#count) & ((1 << taken) - 1))
      left -= taken
    }
    return value
  }

  align(): void {
    this.#count = 0
  }
}

/** @returns its CRC */
function* unpackBlock(input: BitReader, block: Int32Array, space: Buffer): Generator<Buffer, number> {
  const expected = input.bits(32)
  if (input.bit() === 1) throw new DamagedStream('a bzip2 block is randomised, which nothing has written since 1997')
  const origin = input.bits(24)
  const length = readSymbols(input, block)
  if (origin >= length) throw new DamagedStream('a bzip2 block begins outside of itself')
  invert(block, length)
  let crc = -1
  for (const chunk of runs(block, length, origin, space)) {
    crc = checksum(crc, chunk)
    yield chunk
  }
  if (~crc >>> 0 !== expected) throw new DamagedStream('the CRC of a bzip2 block does not match')
  return expected
}

/** Huffman codes and move-to-front: gives the last column of the sorted rotations. @returns its length */
function readSymbols(input: BitReader, block: Int32Array): number {
  const used = readUsed(input)
  const groups = input.bits(3)
  const selectors = readSelectors(input, groups)
  const tables = Array.from({ length: groups }, () => new HuffmanTable(readLengths(input, used.length + 2)))
  const endOfBlock = used.length + 1
  let length = 0
  let run = 0
  let weight = 1
  let group = 0
  let left = 0
  let table: HuffmanTable | undefined
  for (;;) {
    if (left === 0) {
      table = tables[selectors[group++] ?? -1]
      if (table === undefined) throw new DamagedStream('a bzip2 block has more symbols than selectors')
      left = GROUP
    }
    left--
    const symbol = (table as HuffmanTable).read(input)
    if (symbol <= 1) {
      if (weight > block.length) throw tooLong()
      run += weight << symbol
      weight *= 2
      continue
    }
    if (run > 0) {
      if (length + run > block.length) throw tooLong()
      block.fill(used[0] as number, length, length + run)
      length += run
      run = 0
      weight = 1
    }
    if (symbol === endOfBlock) return length
    const index = symbol - 1
    const byte = used[index] as number
    used.copyWithin(1, 0, index)
    used[0] = byte
    if (length >= block.length) throw tooLong()
    block[length++] = byte
  }
}

function tooLong(): DamagedStream {
  return new DamagedStream('a bzip2 block is longer than its header allows')
}

function readUsed(input: BitReader): Uint8Array {
  const ranges = input.bits(16)
  const used: number[] = []
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue
    const members = input.bits(16)
    for (let member = 0; member < 16; member++) if (members & (0x8000 >> member)) used.push(range * 16 + member)
  }
  if (used.length === 0) throw new DamagedStream('a bzip2 block uses no symbols')
  return Uint8Array.from(used)
}

function readSelectors(input: BitReader, groups: number): Uint8Array {
  if (groups < 2 || groups > 6) throw new DamagedStream('a bzip2 block has no valid number of codes')
  const order = [0, 1, 2, 3, 4, 5]
  const selectors = new Uint8Array(input.bits(15))
  for (let index = 0; index < selectors.length; index++) {
    let place = 0
    while (input.bit() === 1) if (++place >= groups) throw new DamagedStream('a bzip2 block selects a code it lacks')
    const [group] = order.splice(place, 1) as [number]
    order.unshift(group)
    selectors[index] = group
  }
  return selectors
}

function readLengths(input: BitReader, count: number): Uint8Array {
  const lengths = new Uint8Array(count)
  let length = input.bits(5)
  for (let index = 0; index < count; index++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_LENGTH) throw new DamagedStream('a bzip2 code has no valid length')
      if (input.bit() === 0) break
      length += input.bit() === 0 ? 1 : -1
    }
    lengths[index] = length
  }
  return lengths
}

class HuffmanTable {
  /** First code beyond those of a length, and the difference between a code and its index, by length. */
  readonly #limit = new Int32Array(MAX_CODE_LENGTH + 1).fill(-1)
  readonly #base = new Int32Array(MAX_CODE_LENGTH + 1)
  readonly #symbols: Uint16Array

  constructor(lengths: Uint8Array) {
    const counts = new Uint16Array(MAX_CODE_LENGTH + 2)
    for (const length of lengths) (counts[length + 1] as number)++
    let code = 0
    for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
      const count = counts[length + 1] as number
      const index = counts[length] as number
      this.#base[length] = index - code
      this.#limit[length] = code + count
      code = (code + count) << 1
      counts[length + 1] = index + count
    }
    // By now each entry holds the number of symbols with shorter codes.
    this.#symbols = new Uint16Array(lengths.length)
    for (const [symbol, length] of lengths.entries()) this.#symbols[(counts[length] as number)++] = symbol
  }

  read(input: BitReader): number {
    let code = 0
    for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
      code = (code << 1) | input.bit()
      if (code < (this.#limit[length] as number)) {
        const symbol = this.#symbols[code + (this.#base[length] as number)]
        if (symbol !== undefined) return symbol
        break
      }
    }
    throw new DamagedStream('the bzip2 data holds a code that stands for nothing')
  }
}

/** Burrows–Wheeler: puts the position of the next byte into the upper 24 bits of each place. */
function invert(block: Int32Array, length: number): void {
  const starts = new Int32Array(256)
  for (let index = 0; index < length; index++) (starts[(block[index] as number) & 255] as number)++
  let sum = 0
  for (let byte = 0; byte < 256; byte++) {
    const count = starts[byte] as number
    starts[byte] = sum
    sum += count
  }
  for (let index = 0; index < length; index++) {
    const byte = (block[index] as number) & 255
    const place = starts[byte] as number
    starts[byte] = place + 1
    block[place] = (block[place] as number) | (index << 8)
  }
}

/**
 * Follows the block in its order and undoes its first step: four equal bytes are followed by the number of further
 * ones.
 */
function* runs(block: Int32Array, length: number, origin: number, chunk: Buffer): Generator<Buffer> {
  let filled = 0
  let place = (block[origin] as number) >>> 8
  let previous = -1
  let equal = 0
  for (let index = 0; index < length; index++) {
    const word = block[place] as number
    const byte = word & 255
    place = word >>> 8
    if (equal === 4) {
      chunk.fill(previous, filled, filled + byte)
      filled += byte
      equal = 0
      previous = -1
    } else {
      equal = byte === previous ? equal + 1 : 1
      previous = byte
      chunk[filled++] = byte
    }
    if (filled >= CHUNK) {
      yield chunk.subarray(0, filled)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}

/** bzip2's CRC-32 runs over bits from the highest, unlike zlib's. */
const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc
})

function checksum(start: number, bytes: Uint8Array): number {
  let crc = start
  for (let index = 0; index < bytes.length; index++) {
    crc = (crc << 8) ^ (crcTable[(crc >>> 24) ^ (bytes[index] as number)] as number)
  }
  return crc
}
