import type { ByteSource } from '../bytes.ts'
import { DamagedStream, StreamReader } from './reader.ts'

/** LZ4 frame and block formats: doc/lz4_Frame_format.md and doc/lz4_Block_format.md of the LZ4 project. */
const FRAME = 0x184d2204
const LEGACY = 0x184c2102
const SKIPPABLE = 0x184d2a50

/** A legacy block unpacks to at most 8 MiB. */
const LEGACY_BLOCK = 8 * 1024 * 1024

/** How far back a block may refer. */
const REACH = 64 * 1024

/**
 * LZ4 frames, and the legacy frame that `lz4 -l` and the kernel's build write; several after one another. What follows a
 * frame and begins with no frame's magic ends the stream: the kernel's build appends the size.
 */
export function* unlz4(source: ByteSource): Generator<Buffer> {
  const input = new StreamReader(source)
  let frames = 0
  while (!input.ended) {
    const magic = input.peek(4)
    const number = magic.length === 4 ? magic.readUInt32LE(0) : 0
    const known = number === FRAME || number === LEGACY || (number & ~15) >>> 0 === SKIPPABLE
    if (!known && frames > 0) return
    if (!known) throw new DamagedStream('the lz4 data begins with no frame')
    input.bytes(4)
    frames++
    if (number === FRAME) yield* frame(input)
    else if (number === LEGACY) yield* legacy(input)
    else skip(input, input.uint32())
  }
}

function skip(input: StreamReader, length: number): void {
  for (let left = length; left > 0; ) left -= input.bytes(Math.min(left, REACH)).length
}

function* frame(input: StreamReader): Generator<Buffer> {
  const flags = input.byte()
  const largest = (input.byte() >> 4) & 7
  if (flags >> 6 !== 1) throw new DamagedStream(`the lz4 frame is of version ${flags >> 6}, not 1`)
  if (largest < 4) throw new DamagedStream('the lz4 frame names no valid block size')
  if (flags & 1) throw new DamagedStream('the lz4 frame needs a dictionary')
  input.bytes(((flags & 8) !== 0 ? 8 : 0) + 1)
  const linked = (flags & 0x20) === 0
  const blockSize = 1 << (8 + 2 * largest)
  const output = Buffer.from(new ArrayBuffer(REACH + blockSize))
  let history = 0
  for (;;) {
    const word = input.uint32()
    if (word === 0) break
    const length = word & 0x7fffffff
    if (length > blockSize) throw new DamagedStream('an lz4 block is longer than its frame allows')
    const block = input.bytes(length)
    const stored = word >>> 31 === 1
    const end = stored
      ? history + block.copy(output, history)
      : unpackBlock(block, output, history, history + blockSize)
    if ((flags & 0x10) !== 0) input.bytes(4)
    yield output.subarray(history, end)
    const kept = linked ? Math.min(end, REACH) : 0
    output.copyWithin(0, end - kept, end)
    history = kept
  }
  if ((flags & 4) !== 0) input.bytes(4)
}

function* legacy(input: StreamReader): Generator<Buffer> {
  const output = Buffer.from(new ArrayBuffer(LEGACY_BLOCK))
  while (!input.ended) {
    const head = input.peek(4)
    if (head.length < 4) return
    const length = head.readUInt32LE(0)
    if (length === LEGACY || length === FRAME || length === 0) return
    // The size that the kernel's build appends is no block: nothing follows it.
    if (input.peek(5).length === 4) return
    if (length > LEGACY_BLOCK + (LEGACY_BLOCK >> 7)) throw new DamagedStream('an lz4 block is longer than 8 MiB')
    input.bytes(4)
    yield output.subarray(0, unpackBlock(input.bytes(length), output, 0, LEGACY_BLOCK))
  }
}

/** @returns end of what was unpacked in `output` */
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
