import { DamagedStream } from './reader.ts'
import { BackwardBits, readTable } from './zstd-bits.ts'

/** A Huffman code as a table that the next `maxBits` bits index: RFC 8878, 4.2. */
export interface HuffmanTable {
  readonly maxBits: number
  readonly symbols: Uint8Array
  readonly bits: Uint8Array
}

const MAX_BITS = 11

/** Memory for one block at a time: a new one for each would be as much as the kernel before it is collected. */
export class BlockSpace {
  #literals = new Uint8Array(0)
  #sequences = new Uint32Array(0)

  literals(size: number): Uint8Array {
    if (this.#literals.length < size) this.#literals = new Uint8Array(size)
    return this.#literals.subarray(0, size)
  }

  sequences(size: number): Uint32Array {
    if (this.#sequences.length < size) this.#sequences = new Uint32Array(size)
    return this.#sequences
  }
}

export interface Literals {
  readonly bytes: Uint8Array
  /** The table, for blocks that use the last one again. */
  readonly table: HuffmanTable | undefined
  /** Bytes of the block that the literals section took. */
  readonly length: number
}

/**
 * The literals section of a block: RFC 8878, 3.1.1.3.1.
 * @param space a place for them: valid until it is used again
 * @throws DamagedStream
 */
export function readLiterals(block: Buffer, previous: HuffmanTable | undefined, space: BlockSpace): Literals {
  const first = block[0] ?? 0
  const kind = first & 3
  const format = (first >> 2) & 3
  if (kind < 2) {
    const header = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3
    const size = readLittle(block, header) >> ((format & 1) === 0 ? 3 : 4)
    const length = header + (kind === 0 ? size : 1)
    if (size > 128 * 1024 || length > block.length) throw damaged()
    const bytes = kind === 0 ? block.subarray(header, length) : space.literals(size).fill(block[header] as number)
    return { bytes, table: previous, length }
  }
  const header = format < 2 ? 3 : format + 2
  const width = [10, 10, 14, 18][format] as number
  // Up to 40 bits: too many for bitwise operators.
  const number = Math.floor(readLittle(block, header) / 16)
  const size = number % 2 ** width
  const packed = Math.floor(number / 2 ** width) % 2 ** width
  const length = header + packed
  if (size > 128 * 1024 || length > block.length) throw damaged()
  let streams = block.subarray(header, length)
  let table = previous
  if (kind === 2) {
    const read = readHuffmanTable(streams)
    table = read.table
    streams = streams.subarray(read.length)
  }
  if (table === undefined) throw damaged()
  const bytes = space.literals(size)
  if (format === 0) decode(streams, table, bytes)
  else decodeFour(streams, table, bytes)
  return { bytes, table, length }
}

function readLittle(bytes: Uint8Array, length: number): number {
  let value = 0
  for (let index = length - 1; index >= 0; index--) value = value * 256 + (bytes[index] ?? 0)
  return value
}

function decodeFour(streams: Buffer, table: HuffmanTable, output: Uint8Array): void {
  if (streams.length < 6) throw damaged()
  const quarter = (output.length + 3) >> 2
  if (quarter * 3 > output.length) throw damaged()
  let start = 6
  for (let index = 0; index < 4; index++) {
    const end = index < 3 ? start + streams.readUInt16LE(index * 2) : streams.length
    if (end > streams.length) throw damaged()
    decode(
      streams.subarray(start, end),
      table,
      output.subarray(index * quarter, index < 3 ? (index + 1) * quarter : undefined),
    )
    start = end
  }
}

function decode(stream: Uint8Array, { maxBits, symbols, bits }: HuffmanTable, output: Uint8Array): void {
  const input = new BackwardBits(stream)
  for (let index = 0; index < output.length; index++) {
    const code = input.peek(maxBits)
    output[index] = symbols[code] as number
    input.left -= bits[code] as number
  }
  if (input.left !== 0) throw damaged()
}

function readHuffmanTable(bytes: Buffer): { table: HuffmanTable; length: number } {
  const head = bytes[0] ?? 0
  const length = 1 + (head >= 128 ? (head - 126) >> 1 : head)
  if (length > bytes.length) throw damaged()
  const description = bytes.subarray(1, length)
  const weights = head >= 128 ? directWeights(description, head - 127) : packedWeights(description)
  const sum = weights.reduce((total, weight) => total + (weight > 0 ? 1 << (weight - 1) : 0), 0)
  if (sum === 0) throw damaged()
  const maxBits = 32 - Math.clz32(sum)
  const rest = (1 << maxBits) - sum
  // The last weight completes the sum to a power of two.
  if (maxBits > MAX_BITS || (rest & (rest - 1)) !== 0) throw damaged()
  weights.push(32 - Math.clz32(rest))
  return { table: buildHuffman(weights, maxBits), length }
}

function directWeights(bytes: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const byte = bytes[index >> 1] as number
    return index % 2 === 0 ? byte >> 4 : byte & 15
  })
}

/** Weights written by two states in turn: RFC 8878, 4.2.1.2. */
function packedWeights(bytes: Uint8Array): number[] {
  const { table, length } = readTable(bytes, 6, 15)
  const input = new BackwardBits(bytes.subarray(length))
  const states = [input.read(table.accuracy), input.read(table.accuracy)] as [number, number]
  const weights: number[] = []
  for (let turn = 0; ; turn ^= 1) {
    if (weights.length > 253) throw damaged()
    const state = states[turn] as number
    weights.push(table.symbols[state] as number)
    const width = table.bits[state] as number
    states[turn] = (table.baselines[state] as number) + input.read(width)
    if (input.left >= 0) continue
    weights.push(table.symbols[states[turn ^ 1] as number] as number)
    return weights
  }
}

function buildHuffman(weights: readonly number[], maxBits: number): HuffmanTable {
  const size = 1 << maxBits
  const symbols = new Uint8Array(size)
  const bits = new Uint8Array(size)
  let place = 0
  for (let weight = 1; weight <= maxBits; weight++) {
    const span = 1 << (weight - 1)
    for (const [symbol, each] of weights.entries()) {
      if (each !== weight) continue
      symbols.fill(symbol, place, place + span)
      bits.fill(maxBits + 1 - weight, place, place + span)
      place += span
    }
  }
  if (place !== size) throw damaged()
  return { maxBits, symbols, bits }
}

function damaged(): DamagedStream {
  return new DamagedStream('the literals of a zstd block are damaged')
}
