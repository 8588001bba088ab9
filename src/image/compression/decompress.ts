import type { ByteSource } from '../bytes.ts'
import { DamagedStream } from './reader.ts'

export { DamagedStream } from './reader.ts'

type Decompressor = (source: ByteSource) => AsyncIterable<Buffer> | Iterable<Buffer>

/** How each compression is undone. Its code is loaded when it is needed. */
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
 * What the compressed bytes hold, in chunks. A chunk is valid until the next one is asked for: copy or write it before.
 * @param limit most bytes to give
 * @throws DamagedStream when the bytes are damaged, end early, or hold more than `limit`
 */
export async function* decompress(compression: string, source: ByteSource, limit: number): AsyncGenerator<Buffer> {
  const load = decompressors.get(compression)
  if (load === undefined) throw new DamagedStream(`${compression} compression is not supported`)
  const start = await load()
  let size = 0
  for await (const chunk of start(source)) {
    size += chunk.length
    if (size > limit) throw new DamagedStream(`the ${compression} data unpacks to more than ${limit} bytes`)
    yield chunk
  }
}

/** The first bytes of what is compressed, at most `length`; fewer where the data ends or is damaged. */
export async function decompressHead(compression: string, source: ByteSource, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of decompress(compression, source, Number.POSITIVE_INFINITY)) {
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
