import { Decompress } from 'fzstd'
import type { ByteSource } from '../bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'

const REPEATED = 1
const MAX_BLOCK = 128 * 1024
/** The largest window of `zstd --ultra -22`, which is how kernels are compressed, bytes. */
const MAX_WINDOW = 128 * 1024 * 1024
const magic = { frame: 0xfd2fb528, skippable: 0x184d2a50 } as const

/**
 * RFC 8878. Frames and blocks are found here, by their lengths, because what follows the last one must not be read and so
 * that a piece holds no more than a block, 128 KiB. What is in them is unpacked by fzstd, since zlib has no zstd before
 * Node 22.15. Checksums are not compared.
 */
export function* unzstd(source: ByteSource, limit: number): Generator<Buffer> {
  let offset = 0
  do {
    const kind = new ByteReader(source, offset).uint32LE()
    if ((kind & ~15) >>> 0 === magic.skippable) offset += 8 + new ByteReader(source, offset + 4).uint32LE()
    else if (kind === magic.frame) offset = yield* unpackFrame(source, offset, limit)
    else if (offset === 0) throw new DecompressError('it is not zstd')
    else return
  } while (source.size - offset >= 4)
}

/** Returns where the frame ends. */
function* unpackFrame(source: ByteSource, start: number, limit: number): Generator<Buffer, number> {
  let ready: Buffer[] = []
  const stream = new Decompress((chunk) => {
    ready.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
  })
  let offset = start
  for (const { end, isLast } of blocks(source, start, limit)) {
    const block = source.read(offset, end - offset)
    try {
      stream.push(block, isLast)
    } catch (cause) {
      throw new DecompressError('it is damaged', { cause })
    }
    yield* ready
    ready = []
    offset = end
  }
  return offset
}

/** Where each block of the frame ends; the frame's head is before the first, its checksum belongs to the last. */
function* blocks(source: ByteSource, offset: number, limit: number): Generator<{ end: number; isLast: boolean }> {
  const reader = new ByteReader(source, offset + 4)
  const descriptor = reader.byte()
  const isSingle = (descriptor & 0x20) !== 0
  if ((descriptor & 3) !== 0) throw new DecompressError('it needs a dictionary, which is not supported')
  const exponent = isSingle ? 0 : reader.byte()
  const stated = readSize(reader, [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number)
  // The decoder takes memory for what is stated, before there is any of it.
  if (stated > limit) throw new DecompressError(`it unpacks to more than ${limit} bytes`)
  const window = isSingle ? 0 : 2 ** (10 + (exponent >> 3)) * (1 + (exponent & 7) / 8)
  if (window > MAX_WINDOW) throw new DecompressError(`it needs a window of ${window} bytes, more than is supported`)
  for (let isLast = false; !isLast; ) {
    const header = reader.byte() | (reader.byte() << 8) | (reader.byte() << 16)
    const [kind, size] = [(header >> 1) & 3, header >> 3]
    if (kind === 3 || size > MAX_BLOCK) throw new DecompressError('it is damaged')
    isLast = (header & 1) === 1
    reader.skip((kind === REPEATED ? 1 : size) + (isLast && (descriptor & 4) !== 0 ? 4 : 0))
    yield { end: reader.position, isLast }
  }
}

function readSize(reader: ByteReader, length: number): number {
  const bytes = reader.bytes(length)
  if (length === 8) return Number(bytes.readBigUInt64LE())
  return length === 0 ? 0 : bytes.readUIntLE(0, length) + (length === 2 ? 256 : 0)
}
