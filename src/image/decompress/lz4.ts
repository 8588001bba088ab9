import type { ByteSource } from '../bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'

const HISTORY = 64 * 1024
const LEGACY_BLOCK = 8 * 1024 * 1024
const magic = { frame: 0x184d2204, legacy: 0x184c2102, skippable: 0x184d2a50 } as const
const damaged = () => new DecompressError('it is damaged')

/** LZ4 frames, legacy ones (`lz4 -l`, as kernels have) too: lz4's "Frame Format". Checksums are not compared. */
export function* unlz4(source: ByteSource): Generator<Buffer> {
  const reader = new ByteReader(source)
  let isFirst = true
  while (isFirst || source.size - reader.position >= 4) {
    const found = reader.uint32LE()
    if (found === magic.frame) yield* frame(reader)
    else if (found === magic.legacy) return yield* legacy(reader, source.size)
    else if ((found & ~15) === magic.skippable) reader.bytes(reader.uint32LE())
    else if (isFirst) throw new DecompressError('it is not lz4')
    else return
    isFirst = false
  }
}

/** Blocks until the file ends, without an end mark; the kernel's build puts the size of all behind them. */
function* legacy(reader: ByteReader, fileSize: number): Generator<Buffer> {
  const output = Buffer.allocUnsafe(LEGACY_BLOCK)
  let total = 0
  while (fileSize - reader.position > 0) {
    const size = reader.uint32LE()
    if (size === magic.legacy) continue
    if (size === total % 2 ** 32 && reader.position === fileSize) return
    // Nothing that fits into 8 MiB takes more than this (LZ4_compressBound).
    if (size > LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16) throw damaged()
    const end = decodeBlock(reader.bytes(size), output, 0, LEGACY_BLOCK)
    total += end
    yield output.subarray(0, end)
  }
}

function* frame(reader: ByteReader): Generator<Buffer> {
  const [flags, sizes] = [reader.byte(), reader.byte()]
  const sizeCode = (sizes >> 4) & 7
  if (flags >> 6 !== 1 || sizeCode < 4) throw damaged()
  if ((flags & 1) !== 0) throw new DecompressError('it needs a dictionary, which is not supported')
  reader.bytes(((flags & 8) === 0 ? 0 : 8) + 1) // The size of all, and the header's checksum.
  const isIndependent = (flags & 0x20) !== 0
  const blockSize = 1 << (8 + 2 * sizeCode)
  // A block may refer to the 64 KiB before it: they stay in front of where it is unpacked to.
  const output = Buffer.allocUnsafe(HISTORY + blockSize)
  let history = 0
  for (;;) {
    const size = reader.uint32LE()
    if (size === 0) break
    const length = size & 0x7fffffff
    if (length > blockSize) throw damaged()
    const block = reader.bytes(length)
    let end = HISTORY + length
    if (size >>> 31 === 1) block.copy(output, HISTORY)
    else end = decodeBlock(block, output, HISTORY, HISTORY + blockSize, HISTORY - history)
    if ((flags & 0x10) !== 0) reader.bytes(4)
    yield output.subarray(HISTORY, end)
    if (isIndependent) continue
    history = Math.min(HISTORY, history + end - HISTORY)
    output.copyWithin(HISTORY - history, end - history, end)
  }
  if ((flags & 4) !== 0) reader.bytes(4)
}

/** lz4's "Block Format". Writes `output` from `start` on, never at or behind `limit`; refers to nothing before `oldest`. */
function decodeBlock(input: Buffer, output: Buffer, start: number, limit: number, oldest = start): number {
  let [from, to] = [0, start]
  const length = (nibble: number) => {
    let sum = nibble
    if (nibble < 15) return sum
    let more = 255
    while (more === 255) {
      if (from >= input.length) throw damaged()
      more = input[from++] as number
      sum += more
    }
    return sum
  }
  while (from < input.length) {
    const token = input[from++] as number
    const literals = length(token >> 4)
    if (literals > input.length - from || literals > limit - to) throw damaged()
    input.copy(output, to, from, from + literals)
    from += literals
    to += literals
    if (from === input.length) return to
    if (input.length - from < 2) throw damaged()
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8)
    from += 2
    const match = length(token & 15) + 4
    if (distance === 0 || distance > to - oldest || match > limit - to) throw damaged()
    if (distance >= match) output.copyWithin(to, to - distance, to - distance + match)
    else for (let index = to; index < to + match; index++) output[index] = output[index - distance] as number
    to += match
  }
  return to
}
