import type { ByteSource } from '../bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'
import { LzmaDecoder } from './lzma.ts'

const PIECE = 64 * 1024
const UNKNOWN = 0xffffffff

/** The old `.lzma` file: properties, size of the dictionary, size of what is in it or all ones, and LZMA. */
export function* unlzma(source: ByteSource, limit: number): Generator<Buffer> {
  const reader = new ByteReader(source)
  const properties = reader.byte()
  const dictionary = reader.uint32LE()
  const [low, high] = [reader.uint32LE(), reader.uint32LE()]
  const stated = low === UNKNOWN && high === UNKNOWN ? null : high * 2 ** 32 + low
  // A match never refers to before the start: no dictionary need be larger than what may come out.
  const decoder = new LzmaDecoder(reader, Math.min(dictionary, limit + 1))
  decoder.setProperties(properties)
  decoder.startRange()
  for (let left = stated ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const goesOn = decoder.run(Math.min(PIECE, left))
    const piece = decoder.window.take()
    left -= piece.length
    yield piece
    if (goesOn) continue
    if (stated !== null && left > 0) throw new DecompressError('it is damaged')
    return
  }
  decoder.normalise()
  if (!decoder.isFinished && !decoder.endMark()) throw new DecompressError('it is damaged')
}
