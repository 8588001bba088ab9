import type { ByteSource } from '../bytes.ts'

/** Bytes come out in pieces; a fault in what goes in is a DecompressError. */
export type Decompressor = (source: ByteSource, limit: number) => Iterable<Buffer> | AsyncIterable<Buffer>

/** What is compressed is damaged, cut off, too large or made in a way that is not supported; the message says which. */
export class DecompressError extends Error {}

export interface DecompressOptions {
  /** Most bytes that may come out; one more is a DecompressError. */
  readonly limit: number
  readonly signal?: AbortSignal
}

/** Loaded when needed: names as compressionAt() gives them. */
const decompressors: Record<string, () => Promise<Decompressor>> = {
  gzip: async () => (await import('./gzip.ts')).gunzip,
  zstd: async () => (await import('./zstd.ts')).unzstd,
  lz4: async () => (await import('./lz4.ts')).unlz4,
  lzma: async () => (await import('./lzma-alone.ts')).unlzma,
  xz: async () => (await import('./xz.ts')).unxz,
}

/** Compressions that decompress() knows. */
export const supportedCompressions: readonly string[] = Object.keys(decompressors)

/**
 * Unpacks `source`, piece by piece, and waits for `write` after each. What stands behind the end of what is compressed is
 * left alone, as kernel images end with the size of what is inside. A piece may share memory with the next one: `write`
 * has to be done with it when it returns or its promise resolves.
 * @returns how many bytes came out
 * @throws DecompressError, what `write` or `source` throws, or the signal's reason
 */
export async function decompress(
  name: string,
  source: ByteSource,
  write: (chunk: Buffer) => void | Promise<void>,
  options: DecompressOptions,
): Promise<number> {
  const load = Object.hasOwn(decompressors, name) ? decompressors[name] : undefined
  if (load === undefined) throw new DecompressError(`${name} compression is not supported`)
  const decompressor = await load()
  let total = 0
  let pause = performance.now() + TURN
  options.signal?.throwIfAborted()
  for await (const chunk of decompressor(source, options.limit)) {
    options.signal?.throwIfAborted()
    total += chunk.length
    if (total > options.limit) throw new DecompressError(`it unpacks to more than ${options.limit} bytes`)
    if (chunk.length > 0) await write(chunk)
    if (performance.now() < pause) continue
    // Promises alone never let timers and signals have their turn.
    await new Promise((resolve) => setImmediate(resolve))
    pause = performance.now() + TURN
  }
  return total
}

/** Longest time without a turn for others, milliseconds. */
const TURN = 50
