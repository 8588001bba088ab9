import { MAX_WINDOW } from './lzma.ts'
import { DamagedStream, type StreamReader } from './reader.ts'

const FRAME = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
export const MAX_BLOCK = 128 * 1024

/** Of a frame: RFC 8878, 3.1.1.1. */
export interface FrameHeader {
  /** Bytes from the start of the source. */
  readonly offset: number
  /** Of the header, with the magic. */
  readonly length: number
  /** How far back matches may go, bytes. */
  readonly window: number
  /** Of the frame's content, in bytes, where it gives that. */
  readonly size: number | undefined
  readonly hasChecksum: boolean
}

/**
 * Takes the next frame of a sequence.
 * @param first whether nothing came before: then there must be a frame
 * @returns a frame's header; 'skipped' for a skippable frame; undefined at the end, and at data that is not a frame,
 * such as the size that the kernel's build appends
 */
export function nextFrame(input: StreamReader, first: boolean): FrameHeader | 'skipped' | undefined {
  const offset = input.position
  const magic = input.peek(4)
  const number = magic.length === 4 ? magic.readUInt32LE(0) : 0
  if ((number & ~15) >>> 0 === SKIPPABLE) {
    input.bytes(4)
    input.skipWithin(input.uint32())
    return 'skipped'
  }
  if (number !== FRAME) {
    if (first) throw new DamagedStream('the zstd data begins with no frame')
    return undefined
  }
  input.bytes(4)
  const flags = input.byte()
  const single = (flags & 0x20) !== 0
  if ((flags & 8) !== 0) throw new DamagedStream('the zstd frame has flags that nothing defines')
  const exponent = single ? 0 : input.byte()
  const dictionary = input.bytes([0, 1, 2, 4][flags & 3] as number)
  if (dictionary.some((byte) => byte !== 0)) throw new DamagedStream('the zstd frame needs a dictionary')
  const size = readSize(input, flags >> 6, single)
  const base = 2 ** (10 + (exponent >> 3))
  const window = single ? (size as number) : base + (base / 8) * (exponent & 7)
  if (window > MAX_WINDOW) throw new DamagedStream(`the zstd window of ${window} bytes is too large`)
  return { offset, length: input.position - offset, window, size, hasChecksum: (flags & 4) !== 0 }
}

function readSize(input: StreamReader, kind: number, single: boolean): number | undefined {
  if (kind === 0) return single ? input.byte() : undefined
  if (kind === 1) return input.bytes(2).readUInt16LE(0) + 256
  if (kind === 2) return input.uint32()
  return Number(input.bytes(8).readBigUInt64LE(0))
}
