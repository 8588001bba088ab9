import { createHash, type Hash } from 'node:crypto'
import type { ByteSource } from '../bytes/bytes.ts'
import { crc32 } from '../bytes/crc32.ts'
import { branchFilters, DeltaFilter, type Filter } from './branch-filters.ts'
import { Crc64 } from './checks/crc64.ts'
import { LzmaDecoder, MAX_WINDOW } from './lzma.ts'
import { DamagedStream, PAUSE, type StreamEnd, StreamReader } from './reader.ts'
import { Window } from './window.ts'

/** "The .xz File Format", tukaani.org/xz/xz-file-format.txt. */
const MAGIC = '\xfd7zXZ\0'
const HEADER = 12

/** Bytes of the check, by its id. */
const checkSizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]

/** Blocks of a stream: when xz makes several, each has megabytes. */
const MAX_BLOCKS = 65_536

/** Padding between streams is read in pieces of this size. */
const PADDING = Buffer.alloc(4096)

/** xz: several streams with padding between, several blocks, branch filters, all checks that have a meaning. */
export function* unxz(source: ByteSource, limit = Number.POSITIVE_INFINITY): Generator<Buffer, StreamEnd> {
  const input = new StreamReader(source)
  let window = new Window(1)
  const windowOf = (dictionary: number) => {
    window = window.again(Math.min(dictionary, limit))
    return window
  }
  for (let streams = 0; ; streams++) {
    if (streams > 0) yield* skipPadding(input)
    const magic = input.peek(6)
    if (magic.toString('latin1') !== MAGIC) {
      // The following data is not xz: the size that the kernel's build appends.
      if (streams > 0) return input.position
      throw new DamagedStream('the xz data has no header')
    }
    yield* stream(input, windowOf)
    yield PAUSE
  }
}

function* skipPadding(input: StreamReader): Generator<Buffer> {
  const isZero = (length: number) => input.peek(length).equals(PADDING.subarray(0, length))
  // Much at once only where there is some: an empty stream is shorter than that.
  while (isZero(4) && isZero(PADDING.length)) {
    input.skip(PADDING.length)
    yield PAUSE
  }
  while (isZero(4)) input.skip(4)
}

type WindowOf = (dictionary: number) => Window

function* stream(input: StreamReader, windowOf: WindowOf): Generator<Buffer> {
  const header = Buffer.from(input.bytes(HEADER))
  if (header.readUInt32LE(8) !== crc32(header.subarray(6, 8))) throw damaged('the CRC of the xz header does not match')
  const check = header[7] as number
  if (header[6] !== 0 || check > 15) throw damaged('the xz header has flags that nothing defines')
  const sizes: [unpadded: number, uncompressed: number][] = []
  while (input.peek(1)[0] !== 0) {
    if (sizes.length >= MAX_BLOCKS) throw damaged('the xz data has too many blocks')
    sizes.push(yield* block(input, check, windowOf))
  }
  const start = input.position
  checkIndex(input, sizes)
  const footer = Buffer.from(input.bytes(HEADER))
  const length = (footer.readUInt32LE(4) + 1) * 4
  const sound =
    footer.toString('latin1', 10) === 'YZ' &&
    footer.readUInt32LE(0) === crc32(footer.subarray(4, 10)) &&
    footer.readUInt16LE(8) === header.readUInt16LE(6) &&
    length === input.position - start - HEADER
  if (!sound) throw damaged('the end of the xz data does not match its header')
}

function* block(input: StreamReader, check: number, windowOf: WindowOf): Generator<Buffer, [number, number]> {
  const start = input.position
  const header = readBlockHeader(input)
  const filters = header.filters.map((filter) => filter())
  const dataStart = input.position
  const checker = checkerOf(check)
  let size = 0
  const pass = (bytes: Buffer, last: boolean): Buffer => {
    let through = bytes
    for (const filter of filters) through = filter.pass(through, last)
    checker.update(through)
    size += through.length
    return through
  }
  for (const chunk of lzma2(input, windowOf(header.dictionary))) yield pass(chunk, false)
  const rest = pass(Buffer.alloc(0), true)
  if (rest.length > 0) yield rest
  const packed = input.position - dataStart
  if (header.packed !== undefined && header.packed !== packed) throw damaged('an xz block has not the size it claims')
  if (header.unpacked !== undefined && header.unpacked !== size) throw damaged('an xz block has not the size it claims')
  const padding = input.bytes((4 - (packed % 4)) % 4)
  if (padding.some((byte) => byte !== 0)) throw damaged('the padding of an xz block is not zero')
  if (!checker.matches(input.bytes(checkSizes[check] as number))) {
    throw damaged('the check of an xz block does not match: its bytes are damaged')
  }
  return [input.position - start - padding.length, size]
}

interface BlockHeader {
  readonly packed: number | undefined
  readonly unpacked: number | undefined
  readonly dictionary: number
  /** In the order in which they undo the encoder's steps. */
  readonly filters: readonly (() => Filter)[]
}

function readBlockHeader(input: StreamReader): BlockHeader {
  const length = ((input.peek(1)[0] ?? 0) + 1) * 4
  const bytes = Buffer.from(input.bytes(length))
  if (bytes.readUInt32LE(length - 4) !== crc32(bytes.subarray(0, length - 4))) {
    throw damaged('the CRC of an xz block header does not match')
  }
  const fields = new StreamReader({
    size: length - 4,
    read: (offset, count) => bytes.subarray(offset, Math.min(length - 4, offset + count)),
  })
  fields.bytes(1)
  const flags = fields.byte()
  if ((flags & 0x3c) !== 0) throw damaged('an xz block header has flags that nothing defines')
  const packed = (flags & 0x40) !== 0 ? readInteger(fields) : undefined
  const unpacked = (flags & 0x80) !== 0 ? readInteger(fields) : undefined
  const filters: (() => Filter)[] = []
  const count = (flags & 3) + 1
  for (let index = 1; index < count; index++) filters.unshift(readFilter(fields))
  if (readInteger(fields) !== 0x21 || readInteger(fields) !== 1) throw damaged('an xz block does not end in LZMA2')
  return { packed, unpacked, filters, dictionary: dictionarySize(fields.byte()) }
}

function readFilter(fields: StreamReader): () => Filter {
  const id = readInteger(fields)
  const properties = Buffer.from(fields.bytes(Math.min(readInteger(fields), 1024)))
  if (id === 3) return () => new DeltaFilter((properties[0] ?? 0) + 1)
  const filter = branchFilters.get(id)
  if (filter === undefined) throw damaged(`an xz block uses the filter ${id}, which is not known`)
  const start = properties.length >= 4 ? properties.readUInt32LE(0) : 0
  return () => filter(start)
}

function dictionarySize(bits: number): number {
  const size = bits === 40 ? 0xffffffff : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
  if (bits > 40 || size > MAX_WINDOW) throw damaged(`the xz window of ${size} bytes is too large`)
  return size
}

/** LZMA2: chunks, each LZMA or stored, with the parts to reset before it. */
function* lzma2(input: StreamReader, window: Window): Generator<Buffer> {
  const decoder = new LzmaDecoder(input, window)
  let needsDictionary = true
  let needsProperties = true
  let needsState = true
  for (;;) {
    const control = input.byte()
    if (control === 0) return
    if (control >= 0xe0 || control === 1) {
      window.forget()
      needsDictionary = false
    } else if (needsDictionary) throw damaged('the LZMA2 data does not begin with a reset')
    if (control >= 0x80) {
      const size = ((control & 0x1f) << 16) + input.bytes(2).readUInt16BE(0) + 1
      const packed = input.bytes(2).readUInt16BE(0) + 1
      const start = input.position + (control >= 0xc0 ? 1 : 0)
      if (control >= 0xc0) decoder.setProperties(lzma2Properties(input.byte()))
      else if (needsProperties) throw damaged('the LZMA2 data lacks its properties')
      else if (control >= 0xa0) decoder.resetState()
      else if (needsState) throw damaged('the LZMA2 data lacks a reset')
      needsProperties = needsState = false
      decoder.startRangeCoder()
      for (let left = size; left > 0; ) {
        const written = decoder.decode(left)
        if (written < 0) throw damaged('the LZMA2 data holds an end marker')
        left -= written
        if (window.full) yield window.take()
      }
      if (decoder.unfinished || !decoder.endedWell || input.position - start !== packed) {
        throw damaged('an LZMA2 chunk is damaged')
      }
    } else if (control <= 2) {
      for (let left = input.bytes(2).readUInt16BE(0) + 1; left > 0; ) {
        left -= window.append(input.bytes(Math.min(left, window.room)))
        if (window.full) yield window.take()
      }
      if (control === 1) needsState = true
    } else throw damaged('an LZMA2 chunk is of no known kind')
    const chunk = window.take()
    if (chunk.length > 0) yield chunk
  }
}

function lzma2Properties(properties: number): number {
  if ((properties % 9) + (Math.floor(properties / 9) % 5) > 4) throw damaged('the LZMA2 properties are not valid')
  return properties
}

/** A variable-length integer, seven bits a byte; at most 63 bits. */
function readInteger(input: { byte(): number }): number {
  let value = 0
  for (let index = 0; index < 9; index++) {
    const byte = input.byte()
    value += (byte & 0x7f) * 2 ** (7 * index)
    if ((byte & 0x80) === 0) return value
  }
  throw damaged('a number in the xz data is too long')
}

function checkIndex(input: StreamReader, sizes: readonly (readonly [number, number])[]): void {
  const start = input.position
  let crc = 0
  const seen: number[] = []
  const byte = () => {
    const next = input.byte()
    if (seen.push(next) >= 4096) crc = crc32(Buffer.from(seen.splice(0)), crc)
    return next
  }
  const wrong = () => damaged('the index of the xz data does not match its blocks')
  byte()
  if (readInteger({ byte }) !== sizes.length) throw wrong()
  for (const [unpadded, uncompressed] of sizes) {
    if (readInteger({ byte }) !== unpadded || readInteger({ byte }) !== uncompressed) throw wrong()
  }
  while ((input.position - start) % 4 !== 0) if (byte() !== 0) throw wrong()
  if (input.uint32() !== crc32(Buffer.from(seen), crc))
    throw damaged('the CRC of the index of the xz data does not match')
}

interface Checker {
  update(bytes: Buffer): void
  matches(expected: Buffer): boolean
}

/** CRC32, CRC64 and SHA-256. The format reserves ids for others, which are undefined: those are skipped. */
function checkerOf(check: number): Checker {
  if (check === 1) {
    let crc = 0
    return { update: (bytes) => (crc = crc32(bytes, crc)), matches: (expected) => expected.readUInt32LE(0) === crc }
  }
  if (check === 4) return new Crc64()
  if (check === 10) {
    const hash: Hash = createHash('sha256')
    return { update: (bytes) => hash.update(bytes), matches: (expected) => hash.digest().equals(expected) }
  }
  return { update: () => {}, matches: () => true }
}

function damaged(text: string): DamagedStream {
  return new DamagedStream(text)
}
