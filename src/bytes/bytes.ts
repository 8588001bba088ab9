import { readSync } from 'node:fs'

/** Bytes that are read only when needed: a file, memory, or a part of either. */
export interface ByteSource {
  readonly size: number
  /** Bytes from `offset` on, at most `length`; fewer only at the end, none beyond it. @throws Node's error of read(2) */
  read(offset: number, length: number): Buffer
  /** As `read`, into memory that the caller uses again: as much as it holds. @returns the number of bytes */
  readInto?(target: Buffer, offset: number): number
}

/** Bytes from `offset` on, at most as many as `target` holds: in `target`, or shared with the source. */
export function readInto(source: ByteSource, target: Buffer, offset: number): Buffer {
  if (source.readInto === undefined) return source.read(offset, target.length)
  return target.subarray(0, source.readInto(target, offset))
}

/** The bytes of an open file, whose offset is not moved. */
export function fileBytes(fd: number, size: number): ByteSource {
  const fill = (target: Buffer, offset: number) => {
    const wanted = clip(size, offset, target.length)
    let filled = 0
    while (filled < wanted) {
      const count = readSync(fd, target, filled, wanted - filled, offset + filled)
      if (count === 0) break
      filled += count
    }
    return filled
  }
  return {
    size,
    readInto: fill,
    read(offset, length) {
      const buffer = Buffer.allocUnsafe(clip(size, offset, length))
      return buffer.subarray(0, fill(buffer, offset))
    },
  }
}

/** Bytes in memory; results of reading share it. */
export function memoryBytes(buffer: Buffer): ByteSource {
  return {
    size: buffer.length,
    read: (offset, length) => buffer.subarray(offset, offset + clip(buffer.length, offset, length)),
  }
}

/** A source whose first bytes were read already: they are not read again. */
export function withHead(head: Buffer, source: ByteSource | undefined): ByteSource {
  if (source === undefined || head.length >= source.size) return memoryBytes(head)
  const { size } = source
  const read = (offset: number, length: number) => {
    const end = offset + clip(size, offset, length)
    return offset >= 0 && end <= head.length ? head.subarray(offset, end) : source.read(offset, length)
  }
  return { size, read }
}

/** The same bytes, with a report of the progress: the highest offset so far, and the size. */
export function watched(source: ByteSource, onRead: (done: number, size: number) => void): ByteSource {
  let furthest = 0
  const see = (end: number) => {
    if (end <= furthest) return
    furthest = end
    onRead(furthest, source.size)
  }
  return {
    ...source,
    read(offset, length) {
      const bytes = source.read(offset, length)
      see(offset + bytes.length)
      return bytes
    },
    ...(source.readInto && {
      readInto(target: Buffer, offset: number) {
        const count = source.readInto?.(target, offset) ?? 0
        see(offset + count)
        return count
      },
    }),
  }
}

/**
 * The bytes from `offset` on, at most `length`, as a source of their own. With any numbers, it stays inside `source`.
 */
export function partOf(source: ByteSource, offset: number, length: number): ByteSource {
  const size = clip(source.size, offset, length)
  return {
    size,
    read: (inner, count) => source.read(offset + inner, clip(size, inner, count)),
    ...(source.readInto && {
      readInto: (target, inner) =>
        source.readInto?.(target.subarray(0, clip(size, inner, target.length)), offset + inner) ?? 0,
    }),
  }
}

/** Several sources as one, in order. */
export function joined(sources: readonly ByteSource[]): ByteSource {
  let size = 0
  const ends = sources.map((source) => {
    size += source.size
    return size
  })
  return {
    size,
    read(offset, length) {
      const pieces: Buffer[] = []
      // There may be thousands, of which few are needed.
      const first = firstBeyond(ends, offset)
      let [at, left] = [offset - (ends[first - 1] ?? 0), clip(size, offset, length)]
      for (let index = first; left > 0 && index < sources.length; index++) {
        const source = sources[index] as ByteSource
        if (at < source.size) {
          const piece = source.read(at, left)
          pieces.push(piece)
          // A file that shrank in between: the bytes behind it must not move to its place.
          if (piece.length < Math.min(left, source.size - at)) break
          left -= piece.length
          at += piece.length
        }
        at -= source.size
      }
      return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    },
  }
}

/** The index of the first of ascending numbers that is larger; their count when none is. */
function firstBeyond(ascending: readonly number[], limit: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ascending[middle] as number) > limit) high = middle
    else low = middle + 1
  }
  return low
}

function clip(size: number, offset: number, length: number): number {
  if (!(offset >= 0 && length >= 0)) return 0
  return Math.max(0, Math.min(length, size - offset))
}
