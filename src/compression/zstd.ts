import type { ByteSource } from '../bytes/bytes.ts'
import { XxHash64 } from './checks/xxhash.ts'
import { DamagedStream, PAUSE, type StreamEnd, StreamReader } from './reader.ts'
import { Window } from './window.ts'
import { BackwardBits, buildTable, constantTable, type FseTable, readTable } from './zstd-bits.ts'
import { type FrameHeader, MAX_BLOCK, nextFrame } from './zstd-frame.ts'
import { BlockSpace, type HuffmanTable, readLiterals } from './zstd-literals.ts'

/** Empty blocks in sequence before other work may run. */
const PATIENCE = 4096

/**
 * zstd by RFC 8878, for runtimes whose zlib lacks it (Node before 22.15). Several frames in sequence; data without a
 * frame's magic ends the stream. Sizes and checksums are verified where a frame has them.
 */
export function* unzstd(source: ByteSource, limit = Number.POSITIVE_INFINITY): Generator<Buffer, StreamEnd> {
  const input = new StreamReader(source)
  const space = new BlockSpace()
  let window = new Window(1)
  for (let first = true; ; first = false) {
    const header = nextFrame(input, first)
    if (header === undefined) return input.position
    if (header !== 'skipped') {
      window = window.again(Math.min(header.window, limit))
      yield* frame(input, header, window, space)
    }
    yield PAUSE
  }
}

function* frame(input: StreamReader, header: FrameHeader, window: Window, space: BlockSpace): Generator<Buffer> {
  const decoder = new BlockDecoder(window, space)
  const hash = header.hasChecksum ? new XxHash64() : undefined
  let size = 0
  const note = (bytes: Buffer): Buffer => {
    hash?.update(bytes)
    size += bytes.length
    return bytes
  }
  for (let blocks = 1; ; blocks++) {
    const word = input.bytes(3).readUIntLE(0, 3)
    const length = word >> 3
    if (length > MAX_BLOCK) throw new DamagedStream('a zstd block is longer than 128 KiB')
    for (const chunk of block(input, decoder, window, (word >> 1) & 3, length)) yield note(chunk)
    if ((word & 1) === 1) break
    if (blocks % PATIENCE === 0) yield PAUSE
  }
  const rest = note(window.take())
  if (rest.length > 0) yield rest
  if (header.size !== undefined && header.size !== size) {
    throw new DamagedStream(`a zstd frame unpacks to ${size} bytes where it says ${header.size}`)
  }
  if (hash !== undefined && input.uint32() !== hash.digestLow()) {
    throw new DamagedStream('the checksum of the zstd data does not match: its bytes are damaged')
  }
}

function* block(input: StreamReader, decoder: BlockDecoder, window: Window, kind: number, length: number) {
  if (kind === 0) yield* append(window, input.bytes(length))
  else if (kind === 1) yield* append(window, Buffer.alloc(length, input.byte()))
  else if (kind === 2) yield* decoder.decode(input.bytes(length))
  else throw new DamagedStream('a zstd block is of no known kind')
}

function* append(window: Window, bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    at += window.append(bytes.subarray(at))
    if (window.full) yield window.take()
  }
}

/** Extra bits and baselines of the codes: RFC 8878, 3.1.1.3.2.1.1. */
const literalBits = [...Array<number>(16).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
const literalBases = baselines(
  0,
  literalBits.slice(0, 25),
  [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536],
)
const matchBits = [...Array<number>(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
const matchBases = baselines(3, matchBits.slice(0, 43), [131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539])

function baselines(start: number, bits: readonly number[], more: readonly number[]): number[] {
  let base = start
  const result = bits.map((width) => {
    const here = base
    base += 1 << width
    return here
  })
  return [...result, ...more]
}

/** The predefined tables: RFC 8878, 3.1.1.3.2.2. */
const predefined = [
  buildTable(
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
  buildTable([1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1], 5),
  buildTable(
    [
      1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    6,
  ),
] as const

/** Of literal lengths, offsets and match lengths. */
const maxAccuracies = [9, 8, 9] as const
const maxSymbols = [35, 31, 52] as const

class BlockDecoder {
  readonly #window: Window
  readonly #space: BlockSpace
  #huffman: HuffmanTable | undefined
  #tables: (FseTable | undefined)[] = [undefined, undefined, undefined]
  // Not in an array: a new one for each of millions of sequences fills the memory with garbage.
  #first = 1
  #second = 4
  #third = 8

  constructor(window: Window, space: BlockSpace) {
    this.#window = window
    this.#space = space
  }

  *decode(block: Buffer): Generator<Buffer> {
    const window = this.#window
    const literals = readLiterals(block, this.#huffman, this.#space)
    this.#huffman = literals.table
    const { count, triples } = this.#sequences(block.subarray(literals.length))
    let at = 0
    let produced = 0
    for (let index = 0; index < count; index++) {
      const length = triples[index * 3] as number
      const distance = triples[index * 3 + 1] as number
      let left = triples[index * 3 + 2] as number
      produced += length + left
      if (at + length > literals.bytes.length || produced > MAX_BLOCK) throw broken()
      for (const end = at + length; at < end; ) {
        at += window.append(literals.bytes.subarray(at, end))
        if (window.full) yield window.take()
      }
      while (left > 0) {
        left -= window.repeat(distance, left)
        if (window.full) yield window.take()
      }
    }
    if (produced + literals.bytes.length - at > MAX_BLOCK) throw broken()
    yield* append(window, literals.bytes.subarray(at))
  }

  /** The sequences section, as triples of literal length, distance and match length: RFC 8878, 3.1.1.3.2. */
  #sequences(section: Buffer): { count: number; triples: Uint32Array } {
    const first = section[0]
    if (first === undefined) throw broken()
    let start = 1
    let count = first
    if (first >= 128) {
      if (section.length < 3) throw broken()
      const wide = first === 255
      count = wide ? section.readUInt16LE(1) + 0x7f00 : ((first - 128) << 8) + (section[1] as number)
      start = wide ? 3 : 2
    }
    if (count === 0) return { count, triples: this.#space.sequences(0) }
    // Each gives 3 bytes or more.
    if (count * 3 > MAX_BLOCK) throw broken()
    const modes = section[start++] ?? 0
    for (let index = 0; index < 3; index++)
      start += this.#table(index, (modes >> (6 - 2 * index)) & 3, section.subarray(start))
    return { count, triples: this.#readSequences(section.subarray(start), count) }
  }

  /**
   * @returns bytes of the table's description
   */
  #table(index: number, mode: number, bytes: Buffer): number {
    if (mode === 0) this.#tables[index] = predefined[index] as FseTable
    else if (mode === 1) {
      const symbol = bytes[0]
      if (symbol === undefined || symbol > (maxSymbols[index] as number)) throw broken()
      this.#tables[index] = constantTable(symbol)
      return 1
    } else if (mode === 2) {
      const { table, length } = readTable(bytes, maxAccuracies[index] as number, maxSymbols[index] as number)
      this.#tables[index] = table
      return length
    } else if (this.#tables[index] === undefined) throw broken()
    return 0
  }

  #readSequences(bytes: Buffer, count: number): Uint32Array {
    const triples = this.#space.sequences(count * 3)
    const input = new BackwardBits(bytes)
    const [literalTable, offsetTable, matchTable] = this.#tables as [FseTable, FseTable, FseTable]
    let literalState = input.read(literalTable.accuracy)
    let offsetState = input.read(offsetTable.accuracy)
    let matchState = input.read(matchTable.accuracy)
    for (let index = 0; index < count; index++) {
      const offsetCode = offsetTable.symbols[offsetState] as number
      const matchCode = matchTable.symbols[matchState] as number
      const literalCode = literalTable.symbols[literalState] as number
      const offset = 2 ** offsetCode + input.readLong(offsetCode)
      const match = (matchBases[matchCode] as number) + input.read(matchBits[matchCode] as number)
      const literal = (literalBases[literalCode] as number) + input.read(literalBits[literalCode] as number)
      triples[index * 3] = literal
      triples[index * 3 + 1] = this.#distance(offset, literal)
      triples[index * 3 + 2] = match
      if (index === count - 1) break
      literalState =
        (literalTable.baselines[literalState] as number) + input.read(literalTable.bits[literalState] as number)
      matchState = (matchTable.baselines[matchState] as number) + input.read(matchTable.bits[matchState] as number)
      offsetState = (offsetTable.baselines[offsetState] as number) + input.read(offsetTable.bits[offsetState] as number)
    }
    if (input.left !== 0) throw broken()
    return triples
  }

  /** Repeated offsets: RFC 8878, 3.1.1.5. */
  #distance(value: number, literalLength: number): number {
    const first = this.#first
    const which = value > 3 ? 0 : literalLength === 0 ? value + 1 : value
    if (which === 1) return first
    const distance = which === 0 ? value - 3 : which === 2 ? this.#second : which === 3 ? this.#third : first - 1
    if (which !== 2) this.#third = this.#second
    this.#second = first
    this.#first = distance
    return distance
  }
}

function broken(): DamagedStream {
  return new DamagedStream('a zstd block is damaged')
}
