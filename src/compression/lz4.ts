import type { ByteSource } from '../bytes/bytes.ts'
import { XxHash32 } from './checks/xxhash.ts'
import { DamagedStream, PAUSE, StreamReader } from './reader.ts'

/** LZ4 frame and block formats: doc/lz4_Frame_format.md and doc/lz4_Block_format.md of the LZ4 project. */
const FRAME = 0x184d2204
const LEGACY = 0x184c2102
const SKIPPABLE = 0x184d2a50

/** A legacy block unpacks to at most 8 MiB. */
const LEGACY_BLOCK = 8 * 1024 * 1024

/** How far back a block may refer. */
const REACH = 64 * 1024

/** Space to unpack into: one for all frames, since a file may hold a million empty ones. */
class Space {
  #buffer: Buffer = Buffer.alloc(0)

  ofSize(size: number): Buffer {
    if (this.#buffer.length < size) this.#buffer = Buffer.from(new ArrayBuffer(size))
    return this.#buffer.subarray(0, size)
  }
}

/**
 * LZ4 frames, and the legacy frame that `lz4 -l` and the kernel's build write; several in sequence. Data behind a frame
 * without a frame's magic ends the stream: the kernel's build appends the size. Sizes and checksums are verified where
 * a frame has them; a legacy frame has none.
 */
export function* unlz4(source: ByteSource): Generator<Buffer> {
  const input = new StreamReader(source)
  const space = new Space()
  for (let frames = 0; !input.ended; frames++) {
    const magic = input.peek(4)
    const number = magic.length === 4 ? magic.readUInt32LE(0) : 0
    const known = number === FRAME || number === LEGACY || (number & ~15) >>> 0 === SKIPPABLE
    if (!known && frames > 0) return
    if (!known) throw new DamagedStream('the lz4 data begins with no frame')
    input.bytes(4)
    if (number === FRAME) yield* frame(input, space)
    else if (number === LEGACY) yield* legacy(input, space)
    else input.skipWithin(input.uint32())
    yield PAUSE
  }
}

interface FrameHeader {
  readonly linked: boolean
  readonly blockSize: number
  readonly blockChecksums: boolean
  readonly checksum: boolean
  readonly size: number | undefined
}

function readHeader(input: StreamReader): FrameHeader {
  const [flags, sizes] = [input.byte(), input.byte()]
  if (flags >> 6 !== 1) throw new DamagedStream(`the lz4 frame is of version ${flags >> 6}, not 1`)
  const largest = sizes >> 4
  if (largest < 4 || largest > 7) throw new DamagedStream('the lz4 frame names no valid block size')
  if ((flags & 2) !== 0 || (sizes & 15) !== 0) throw new DamagedStream('the lz4 frame has flags that nothing defines')
  if ((flags & 1) !== 0) throw new DamagedStream('the lz4 frame needs a dictionary')
  const claimed = Buffer.from(input.bytes((flags & 8) !== 0 ? 8 : 0))
  const hash = new XxHash32()
  hash.update(Buffer.concat([Buffer.of(flags, sizes), claimed]))
  if (input.byte() !== ((hash.digest() >>> 8) & 255)) {
    throw new DamagedStream('the checksum of the lz4 header does not match')
  }
  return {
    linked: (flags & 0x20) === 0,
    blockSize: 1 << (8 + 2 * largest),
    blockChecksums: (flags & 0x10) !== 0,
    checksum: (flags & 4) !== 0,
    size: claimed.length === 0 ? undefined : Number(claimed.readBigUInt64LE(0)),
  }
}

function* frame(input: StreamReader, space: Space): Generator<Buffer> {
  const header = readHeader(input)
  const { blockSize } = header
  const content = header.checksum ? new XxHash32() : undefined
  let size = 0
  let history = 0
  for (;;) {
    const word = input.uint32()
    if (word === 0) break
    const length = word & 0x7fffffff
    if (length > blockSize) throw new DamagedStream('an lz4 block is longer than its frame allows')
    const block = input.bytes(length)
    // Here and not before the loop: an empty frame needs no space.
    const output = space.ofSize(REACH + blockSize)
    const end =
      word >>> 31 === 1
        ? history + block.copy(output, history)
        : unpackBlock(block, output, history, history + blockSize)
    if (header.blockChecksums) verify(block, input)
    const unpacked = output.subarray(history, end)
    content?.update(unpacked)
    size += unpacked.length
    yield unpacked
    const kept = header.linked ? Math.min(end, REACH) : 0
    output.copyWithin(0, end - kept, end)
    history = kept
  }
  if (header.size !== undefined && header.size !== size) {
    throw new DamagedStream(`an lz4 frame unpacks to ${size} bytes where it says ${header.size}`)
  }
  if (content !== undefined && input.uint32() !== content.digest()) throw mismatch()
}

/**
 * @param block the bytes last taken from `input`: valid until more are taken
 */
function verify(block: Buffer, input: StreamReader): void {
  const hash = new XxHash32()
  hash.update(block)
  if (hash.digest() !== input.uint32()) throw mismatch()
}

function mismatch(): DamagedStream {
  return new DamagedStream('the checksum of the lz4 data does not match: its bytes are damaged')
}

function* legacy(input: StreamReader, space: Space): Generator<Buffer> {
  while (!input.ended) {
    const head = input.peek(4)
    if (head.length < 4) return
    const length = head.readUInt32LE(0)
    if (length === LEGACY || length === FRAME || length === 0) return
    // The size that the kernel's build appends is not a block: nothing follows it.
    if (input.peek(5).length === 4) return
    if (length > LEGACY_BLOCK + (LEGACY_BLOCK >> 7)) throw new DamagedStream('an lz4 block is longer than 8 MiB')
    input.bytes(4)
    const block = input.bytes(length)
    const output = space.ofSize(LEGACY_BLOCK)
    yield output.subarray(0, unpackBlock(block, output, 0, LEGACY_BLOCK))
  }
}

/**
 * @returns end of the unpacked bytes in `output`
 */
function unpackBlock(block: Buffer, output: Buffer, start: number, limit: number): number {
  let at = 0
  let to = start
  while (at < block.length) {
    const token = block[at++] as number
    let literals = token >> 4
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (at >= block.length) throw broken()
        more = block[at++] as number
      }
    }
    if (at + literals > block.length || to + literals > limit) throw broken()
    block.copy(output, to, at, at + literals)
    at += literals
    to += literals
    if (at === block.length) return to
    if (at + 2 > block.length) throw broken()
    const distance = (block[at] as number) | ((block[at + 1] as number) << 8)
    at += 2
    let length = token & 15
    if (length === 15) {
      for (let more = 255; more === 255; length += more) {
        if (at >= block.length) throw broken()
        more = block[at++] as number
      }
    }
    length += 4
    if (distance === 0 || distance > to || to + length > limit) throw broken()
    if (distance >= length) output.copyWithin(to, to - distance, to - distance + length)
    else for (let index = 0; index < length; index++) output[to + index] = output[to + index - distance] as number
    to += length
  }
  return to
}

function broken(): DamagedStream {
  return new DamagedStream('an lz4 block is damaged')
}
