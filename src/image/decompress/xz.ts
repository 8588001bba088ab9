import { createHash, type Hash } from 'node:crypto'
import { type ByteSource, partOf } from '../bytes.ts'
import { crc32 } from '../crc32.ts'
import { ByteReader } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'
import { LzmaDecoder } from './lzma.ts'
import { X86Filter } from './x86-filter.ts'

const PIECE = 64 * 1024
const check = { none: 0, crc32: 1, sha256: 10 } as const
/** Bytes of the check by its number: "The .xz File Format", 2.1.1.2. */
const checkSizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
const filterId = { x86: 4, lzma2: 0x21 } as const
const damaged = () => new DecompressError('it is damaged')

/** One .xz stream: "The .xz File Format". Checks CRC-32 and SHA-256; reads no CRC-64 and no index. */
export function* unxz(source: ByteSource, limit: number): Generator<Buffer> {
  const reader = new ByteReader(source)
  const head = reader.bytes(12)
  if (!head.subarray(0, 6).equals(Buffer.from('\xfd7zXZ\0', 'latin1'))) throw new DecompressError('it is not xz')
  if (head.readUInt32LE(8) !== crc32(head.subarray(6, 8)) || head[6] !== 0 || (head[7] as number) > 15) throw damaged()
  const kind = head[7] as number
  for (;;) {
    const start = reader.position
    const size = reader.byte()
    if (size === 0) return readIndex(source, start)
    yield* block(reader, source, start, (size + 1) * 4, kind, limit)
  }
}

function* block(
  reader: ByteReader,
  source: ByteSource,
  start: number,
  headSize: number,
  kind: number,
  limit: number,
): Generator<Buffer> {
  const { dictionary, isX86 } = readBlockHead(partOf(source, start, headSize), headSize)
  reader.skip(headSize - 1)
  const digest = new Digest(kind)
  const filter = isX86 ? new X86Filter() : undefined
  for (const piece of lzma2(reader, Math.min(dictionary, limit + 1))) {
    const chunk = filter?.push(piece) ?? piece
    digest.update(chunk)
    yield chunk
  }
  const rest = filter?.end() ?? Buffer.alloc(0)
  digest.update(rest)
  yield rest
  while ((reader.position - start) % 4 !== 0) if (reader.byte() !== 0) throw damaged()
  if (!digest.agrees(reader.bytes(checkSizes[kind] as number))) {
    throw new DecompressError('it is damaged: its checksum is wrong')
  }
}

function readBlockHead(source: ByteSource, size: number): { dictionary: number; isX86: boolean } {
  const head = source.read(0, size)
  if (head.length < size) throw new DecompressError('it ends before its compressed data does')
  if (head.readUInt32LE(size - 4) !== crc32(head.subarray(0, size - 4))) throw damaged()
  const reader = new ByteReader(partOf(source, 0, size - 4), 1)
  const flags = reader.byte()
  if ((flags & 0x40) !== 0) readNumber(reader)
  if ((flags & 0x80) !== 0) readNumber(reader)
  const filters = Array.from({ length: (flags & 3) + 1 }, () => {
    const id = readNumber(reader)
    return { id, properties: reader.bytes(readNumber(reader)) }
  })
  const last = filters.pop()
  const isX86 = filters.length === 1 && filters[0]?.id === filterId.x86 && filters[0].properties.length === 0
  if (last?.id !== filterId.lzma2 || last.properties.length !== 1 || !(isX86 || filters.length === 0)) {
    throw new DecompressError('it uses a filter that is not supported')
  }
  const code = last.properties[0] as number
  if (code > 40) throw damaged()
  return { dictionary: code === 40 ? 2 ** 32 - 1 : (2 | (code & 1)) * 2 ** ((code >> 1) + 11), isX86 }
}

/** The chunks of LZMA2, each of at most 2 MiB: xz's "LZMA2" as its own decoder reads it. */
function* lzma2(reader: ByteReader, windowSize: number): Generator<Buffer> {
  const decoder = new LzmaDecoder(reader, windowSize)
  let [needsDictionary, needsProperties] = [true, true]
  for (;;) {
    const control = reader.byte()
    if (control === 0) return
    if (control > 2 && control < 0x80) throw damaged()
    if (control === 1 || control >= 0xe0) {
      decoder.resetDictionary()
      needsDictionary = false
    }
    if (needsDictionary) throw damaged()
    let left = ((control >= 0x80 ? control & 0x1f : 0) << 16) + ((reader.byte() << 8) | reader.byte()) + 1
    if (control < 0x80) {
      while (left > 0) left -= yield* given(decoder, reader, left)
      continue
    }
    const end = ((reader.byte() << 8) | reader.byte()) + 1
    if (control >= 0xc0) {
      const properties = reader.byte()
      // lc and lp, which make the tables large that each chunk begins anew, may be 4 together (liblzma's LZMA_LCLP_MAX).
      if ((properties % 9) + (Math.trunc(properties / 9) % 5) > 4) throw damaged()
      decoder.setProperties(properties)
      needsProperties = false
    } else if (needsProperties) throw damaged()
    else if (control >= 0xa0) decoder.resetState()
    const start = reader.position
    decoder.startRange()
    while (left > 0) {
      if (!decoder.run(Math.min(PIECE, left))) throw damaged()
      const piece = decoder.window.take()
      left -= piece.length
      yield piece
    }
    decoder.normalise()
    if (!decoder.isFinished || reader.position - start !== end) throw damaged()
  }
}

/** Bytes that are not compressed; as many as the window has room for. Returns how many. */
function* given(decoder: LzmaDecoder, reader: ByteReader, left: number): Generator<Buffer, number> {
  const count = Math.min(left, decoder.window.makeRoom())
  for (let index = 0; index < count; index++) decoder.put(reader.byte())
  yield decoder.window.take()
  return count
}

/** A number of 7 bits a byte: "The .xz File Format", 1.2. */
function readNumber(reader: ByteReader): number {
  let [value, factor] = [0, 1]
  for (let index = 0; index < 7; index++) {
    const byte = reader.byte()
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
    factor *= 128
  }
  throw damaged()
}

/** The index and the footer have to be there; the blocks before were checked by themselves. */
function readIndex(source: ByteSource, start: number): void {
  const reader = new ByteReader(source, start + 1)
  for (let records = readNumber(reader); records > 0; records--) {
    readNumber(reader)
    readNumber(reader)
  }
  while ((reader.position - start) % 4 !== 0) reader.byte()
  reader.skip(4)
  if (reader.bytes(12).toString('latin1', 10) !== 'YZ') throw damaged()
}

class Digest {
  private readonly kind: number
  private checksum = 0
  private readonly hash: Hash | undefined

  constructor(kind: number) {
    this.kind = kind
    this.hash = kind === check.sha256 ? createHash('sha256') : undefined
  }

  update(bytes: Buffer): void {
    if (this.kind === check.crc32) this.checksum = crc32(bytes, this.checksum)
    this.hash?.update(bytes)
  }

  /** True as well for checks that are not computed here. */
  agrees(stated: Buffer): boolean {
    if (this.kind === check.crc32) return stated.readUInt32LE(0) === this.checksum
    return this.hash === undefined || this.hash.digest().equals(stated)
  }
}
