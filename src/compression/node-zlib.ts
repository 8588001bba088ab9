import { Readable, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { type ByteSource, partOf } from '../bytes/bytes.ts'
import { crc32 } from '../bytes/crc32.ts'
import { DamagedStream, endsEarly, PAUSE, type StreamEnd, StreamReader } from './reader.ts'
import { type FrameHeader, nextFrame } from './zstd-frame.ts'

/** Bytes read and passed on at a time. */
const CHUNK = 256 * 1024

/** Bytes in which a gzip header, with the name of the file and a comment, must end. */
const MAX_HEADER = 8192

/**
 * Members or frames of a stream: each costs a decompressor of its own, 0.2 ms. Nobody makes kernels of thousands; bgzip
 * makes that many from 256 MiB.
 */
const MAX_MEMBERS = 4096

/**
 * gzip (RFC 1952), several members. Other data behind a member ends the stream, such as the size that the kernel's
 * build appends: Node's own gunzip takes it for damage.
 */
export async function* gunzip(source: ByteSource): AsyncGenerator<Buffer, StreamEnd> {
  let offset = 0
  for (let members = 0; offset < source.size; members++) {
    const header = gzipHeader(source, offset)
    if (header === undefined && members > 0) return offset
    if (members >= MAX_MEMBERS) throw new DamagedStream(`the gzip data has more than ${MAX_MEMBERS} members`)
    if (header === undefined) throw new DamagedStream('the gzip data has no valid header')
    const transform = zlib.createInflateRaw({ chunkSize: CHUNK })
    let crc = 0
    let size = 0
    for await (const chunk of through(chunks(partOf(source, header, source.size)), transform, 'gzip')) {
      crc = crc32(chunk, crc)
      size += chunk.length
      yield chunk
    }
    offset = header + transform.bytesWritten
    const trailer = source.read(offset, 8)
    if (trailer.length < 8) throw endsEarly()
    if (trailer.readUInt32LE(0) !== crc || trailer.readUInt32LE(4) !== size % 2 ** 32) {
      throw new DamagedStream('the CRC of the gzip data does not match: its bytes are damaged')
    }
    offset += 8
  }
  return offset
}

/** Where the compressed bytes of the member at `start` begin, or undefined when there is none. */
function gzipHeader(source: ByteSource, start: number): number | undefined {
  const head = source.read(start, MAX_HEADER)
  if (head.length < 18 || head.readUInt16BE(0) !== 0x1f8b || head[2] !== 8) return undefined
  const flags = head[3] as number
  if ((flags & 0xe0) !== 0) return undefined
  let at = 10
  if ((flags & 4) !== 0) at += 2 + head.readUInt16LE(at)
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue
    const end = head.indexOf(0, at)
    if (end < 0) return undefined
    at = end + 1
  }
  if ((flags & 2) !== 0) {
    at += 2
    if (at > head.length || head.readUInt16LE(at - 2) !== crc32(head.subarray(0, at - 2)) % 0x10000) return undefined
  }
  return at < head.length ? start + at : undefined
}

type CreateZstd = (options: object) => Transform

/** zstd by the runtime's own zlib, or undefined where it has none: Node has it from 22.15 and 23.8 on. */
export function nativeZstd(): ((source: ByteSource) => AsyncGenerator<Buffer, StreamEnd>) | undefined {
  const create = (zlib as { createZstdDecompress?: CreateZstd }).createZstdDecompress
  return create === undefined ? undefined : (source) => unzstdNatively(source, create)
}

/**
 * Frame by frame: Node before 26 silently ends with the first one, even where that is a skippable frame, and may or may
 * not take data behind the last for damage.
 */
async function* unzstdNatively(source: ByteSource, create: CreateZstd): AsyncGenerator<Buffer, StreamEnd> {
  const input = new StreamReader(source)
  for (let frames = 0, first = true; ; first = false) {
    const header = nextFrame(input, first)
    if (header === undefined) return input.position
    if (header === 'skipped') {
      yield PAUSE
      continue
    }
    if (++frames > MAX_MEMBERS) throw new DamagedStream(`the zstd data has more than ${MAX_MEMBERS} frames`)
    const end = { offset: header.offset, reached: false }
    const transform = create({ chunkSize: CHUNK, params: { [ZSTD_D_WINDOW_LOG_MAX]: 28 } })
    yield* through(frameChunks(source, header, end), transform, 'zstd')
    // Node 22 takes a truncated frame for a whole one.
    if (!end.reached) throw endsEarly()
    input.skip(end.offset - input.position)
  }
}

interface FrameEnd {
  /** Offset in the source of the bytes yielded so far. */
  offset: number
  /** Whether that is the frame's end. */
  reached: boolean
}

/** The bytes of one frame, whose end its blocks show as they pass by: RFC 8878, 3.1.1.2. @param end is moved there */
function* frameChunks(source: ByteSource, header: FrameHeader, end: FrameEnd): Generator<Buffer> {
  let next = header.offset + header.length
  let isLast = false
  while (!end.reached) {
    const chunk = source.read(end.offset, CHUNK)
    if (chunk.length === 0) return
    while (!isLast && next + 3 <= end.offset + chunk.length) {
      const word = chunk.readUIntLE(next - end.offset, 3)
      isLast = (word & 1) === 1
      // A block of one byte, repeated, has only that.
      next += 3 + (((word >> 1) & 3) === 1 ? 1 : word >> 3) + (isLast && header.hasChecksum ? 4 : 0)
    }
    // A block's header that the chunk splits begins the next one, unless the source ends with it.
    const wanted = next > end.offset ? Math.min(next - end.offset, chunk.length) : chunk.length
    end.offset += wanted
    end.reached = isLast && end.offset === next
    yield chunk.subarray(0, wanted)
  }
}

/** ZSTD_d_windowLogMax of zstd.h; 28 is MAX_WINDOW. */
const ZSTD_D_WINDOW_LOG_MAX = 100

/** Milliseconds of unpacking without output, after which the consumer may check whether the result is still wanted. */
const PATIENCE = 50

async function orPause<T>(next: Promise<T>): Promise<T | typeof PAUSE> {
  let timer: NodeJS.Timeout | undefined
  const pause = new Promise<typeof PAUSE>((resolve) => {
    timer = setTimeout(resolve, PATIENCE, PAUSE)
  })
  try {
    return await Promise.race([next, pause])
  } finally {
    clearTimeout(timer)
  }
}

async function* through(bytes: Iterable<Buffer>, transform: Transform, name: string): AsyncGenerator<Buffer> {
  const input = Readable.from(bytes, { objectMode: false, highWaterMark: CHUNK })
  input.on('error', (error) => transform.destroy(error))
  input.pipe(transform)
  try {
    const chunks = transform[Symbol.asyncIterator]()
    for (;;) {
      const next = chunks.next()
      while ((await orPause(next)) === PAUSE) yield PAUSE
      const { done, value } = await next
      if (done) break
      yield value as Buffer
      free(value as Buffer)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR') throw new DamagedStream(`the ${name} data ends early`)
    if (/^(?:Z_|ZSTD_|ERR_ZSTD)/.test(code ?? '')) throw new DamagedStream(`the ${name} data is damaged`)
    throw error
  } finally {
    input.destroy()
    transform.destroy()
  }
}

/**
 * Frees a decompressor's output once it was used. Until the garbage collector does so, it may be as much as the kernel.
 * The decompressor still writes to a buffer that it has not filled. Node 20 cannot do this.
 */
function free(chunk: Buffer): void {
  const buffer = chunk.buffer as ArrayBuffer & { transfer?: (length: number) => ArrayBuffer }
  if (buffer.byteLength === CHUNK && chunk.byteOffset + chunk.length === CHUNK) buffer.transfer?.(0)
}

function* chunks(source: ByteSource): Generator<Buffer> {
  for (let offset = 0; offset < source.size; ) {
    const chunk = source.read(offset, CHUNK)
    if (chunk.length === 0) return
    yield chunk
    offset += chunk.length
  }
}
