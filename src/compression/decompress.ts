import { setImmediate } from 'node:timers/promises'
import { type ByteSource, partOf } from '../bytes/bytes.ts'
import { DamagedStream, type StreamEnd } from './reader.ts'

export { DamagedStream } from './reader.ts'

/**
 * @param limit most bytes that are wanted: no window need be larger
 */
type Decompressor = (
  source: ByteSource,
  limit: number,
) => AsyncGenerator<Buffer, StreamEnd> | Generator<Buffer, StreamEnd>

/** How far a decompressor may be ahead of its consumer, in bytes. */
const AHEAD = 2 * 1024 * 1024

/** The most that is read for the first bytes: a block of lz4 as the kernel has it is 8 MiB, bzip2's below 1 MiB. */
const HEAD_INPUT = 16 * 1024 * 1024

/** The decompressor of each compression. Its code is loaded when it is needed. */
const decompressors: ReadonlyMap<string, () => Promise<Decompressor>> = new Map<string, () => Promise<Decompressor>>([
  ['gzip', async () => (await import('./node-zlib.ts')).gunzip],
  ['zstd', async () => (await import('./node-zlib.ts')).nativeZstd() ?? (await import('./zstd.ts')).unzstd],
  ['xz', async () => (await import('./xz.ts')).unxz],
  ['lzma', async () => (await import('./lzma.ts')).unlzma],
  ['lz4', async () => (await import('./lz4.ts')).unlz4],
  ['bzip2', async () => (await import('./bzip2.ts')).unbzip2],
])

/** Whether `decompress` undoes this compression; 'lzo' is known by name only. */
export function canDecompress(compression: string): boolean {
  return decompressors.has(compression)
}

/**
 * The decompressed bytes, in chunks. A chunk is valid until the next one is requested: copy or write it before. An
 * empty one stands for work without output. No chunk takes long, so a consumer that waits between chunks can stop and
 * keeps other work running.
 * @param limit most bytes to yield
 * @returns where the stream ended; the data that begins there is not part of it
 * @throws DamagedStream when the bytes are damaged, end early, or hold more than `limit`
 */
export async function* decompress(
  compression: string,
  source: ByteSource,
  limit: number,
): AsyncGenerator<Buffer, StreamEnd> {
  const chunks = unlimited(compression, source, limit)
  try {
    for (let size = 0; ; ) {
      const { done, value } = await chunks.next()
      if (done) return value
      size += value.length
      if (size > limit) throw new DamagedStream(`the ${compression} data unpacks to more than ${limit} bytes`)
      yield value
    }
  } finally {
    await chunks.return(undefined)
  }
}

async function* unlimited(compression: string, source: ByteSource, wanted: number): AsyncGenerator<Buffer, StreamEnd> {
  const load = decompressors.get(compression)
  if (load === undefined) throw new DamagedStream(`${compression} compression is not supported`)
  const start = await load()
  return yield* start(source, wanted + AHEAD)
}

/** The first decompressed bytes, at most `length`; fewer where the data ends or is damaged. */
export async function decompressHead(compression: string, source: ByteSource, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of unlimited(compression, partOf(source, 0, HEAD_INPUT), length)) {
      if (chunk.length === 0) {
        await setImmediate()
        continue
      }
      const part = Buffer.from(chunk.subarray(0, length - size))
      chunks.push(part)
      size += part.length
      if (size >= length) break
    }
  } catch (error) {
    if (!(error instanceof DamagedStream)) throw error
  }
  return Buffer.concat(chunks)
}
