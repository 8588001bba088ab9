import type { ByteSource } from '../bytes.ts'
import { MAX_WINDOW } from './lzma.ts'
import { DamagedStream, StreamReader } from './reader.ts'
import { Window } from './window.ts'
import { BackwardBits, buildTable, constantTable, type FseTable, readTable } from './zstd-bits.ts'
import { type HuffmanTable, readLiterals } from './zstd-literals.ts'

const FRAME = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const MAX_BLOCK = 128 * 1024

/**
 * zstd as RFC 8878 has it, for runtimes whose zlib lacks it (Node before 22.15). Several frames after one another; what
 * begins with no frame's magic ends the stream. The content's checksum is not verified.
 */
export function* unzstd(source: ByteSource): Generator<Buffer> {
  const input = new StreamReader(source)
  for (let frames = 0; !input.ended; frames++) {
    const magic = input.peek(4)
    const number = magic.length === 4 ? magic.readUInt32LE(0) : 0
    if (number === FRAME) {
      input.bytes(4)
      yield* frame(input)
    } else if ((number & ~15) >>> 0 === SKIPPABLE) {
      input.bytes(4)
      for (let left = input.uint32(); left > 0; ) left -= input.bytes(Math.min(left, MAX_BLOCK)).length
    } else if (frames > 0) return
    else throw new DamagedStream('the zstd data begins with no frame')
  }
}

function* frame(input: StreamReader): Generator<Buffer> {
  const flags = input.byte()
  const single = (flags & 0x20) !== 0
  if ((flags & 8) !== 0) throw new DamagedStream('the zstd frame has flags that nothing defines')
  const exponent = single ? 0 : input.byte()
  const dictionary = input.bytes([0, 1, 2, 4][flags & 3] as number)
  if (dictionary.some((byte) => byte !== 0)) throw new DamagedStream('the zstd frame needs a dictionary')
  const size = readSize(input, flags >> 6, single)
  const base = 2 ** (10 + (exponent >> 3))
  const reach = single ? (size as number) : base + (base / 8) * (exponent & 7)
  if (reach > MAX_WINDOW) throw new DamagedStream(`the zstd window of ${reach} bytes is too large`)
  const window = new Window(reach)
  const decoder = new BlockDecoder(window)
  for (;;) {
    const header = Buffer.from(input.bytes(3)).readUIntLE(0, 3)
    const length = header >> 3
    if (length > MAX_BLOCK) throw new DamagedStream('a zstd block is longer than 128 KiB')
    switch ((header >> 1) & 3) {
      case 0:
        yield* append(window, Buffer.from(input.bytes(length)))
        break
      case 1:
        yield* append(window, Buffer.alloc(length, input.byte()))
        break
      case 2:
        yield* decoder.decode(Buffer.from(input.bytes(length)))
        break
      default:
        throw new DamagedStream('a zstd block is of no known kind')
    }
    if ((header & 1) === 1) break
  }
  const rest = window.take()
  if (rest.length > 0) yield rest
  if ((flags & 4) !== 0) input.bytes(4)
}

function readSize(input: StreamReader, kind: number, single: boolean): number | undefined {
  if (kind === 0) return single ? input.byte() : undefined
  if (kind === 1) return input.bytes(2).readUInt16LE(0) + 256
  if (kind === 2) return input.uint32()
  return Number(input.bytes(8).readBigUInt64LE(0))
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

/** The tables that are there without being described: RFC 8878, 3.1.1.3.2.2. */
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
  #huffman: HuffmanTable | undefined
  #tables: (FseTable | undefined)[] = [undefined, undefined, undefined]
  #offsets: [number, number, number] = [1, 4, 8]

  constructor(window: Window) {
    this.#window = window
  }

  *decode(block: Buffer): Generator<Buffer> {
    const window = this.#window
    const literals = readLiterals(block, this.#huffman)
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
    if (count === 0) return { count, triples: new Uint32Array(0) }
    const modes = section[start++] ?? 0
    for (let index = 0; index < 3; index++)
      start += this.#table(index, (modes >> (6 - 2 * index)) & 3, section.subarray(start))
    return { count, triples: this.#readSequences(section.subarray(start), count) }
  }

  /** @returns bytes that the table's description takes */
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
    const triples = new Uint32Array(count * 3)
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
    const [first, second, third] = this.#offsets
    if (value > 3) {
      this.#offsets = [value - 3, first, second]
      return value - 3
    }
    const which = literalLength === 0 ? value + 1 : value
    if (which === 1) return first
    const distance = which === 2 ? second : which === 3 ? third : first - 1
    this.#offsets = which === 2 ? [second, first, third] : [distance, first, second]
    return distance
  }
}

function broken(): DamagedStream {
  return new DamagedStream('a zstd block is damaged')
}
