import { Readable } from 'node:stream'
import { createInflateRaw } from 'node:zlib'
import { type ByteSource, partOf } from '../bytes.ts'
import { crc32 } from '../crc32.ts'
import { ByteReader, cutOff } from './byte-reader.ts'
import { DecompressError } from './decompress.ts'

const PIECE = 64 * 1024
const flag = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const

/**
 * RFC 1952. The head is read here and only the rest given to zlib, whose own reading of gzip takes what follows for
 * another member when it looks like one.
 */
export async function* gunzip(source: ByteSource): AsyncGenerator<Buffer> {
  let offset = 0
  do {
    offset += skipHeader(source, offset)
    const inflate = createInflateRaw({ chunkSize: PIECE })
    const input = Readable.from(pieces(partOf(source, offset, source.size)))
    input.on('error', (cause) => inflate.destroy(cause))
    let [size, checksum] = [0, 0]
    try {
      for await (const chunk of input.pipe(inflate)) {
        size += chunk.length
        checksum = crc32(chunk, checksum)
        yield chunk
      }
    } catch (cause) {
      throw translate(cause)
    } finally {
      input.destroy()
      inflate.destroy()
    }
    offset += inflate.bytesWritten
    const trailer = source.read(offset, 8)
    if (trailer.length < 8) throw cutOff()
    if (trailer.readUInt32LE(0) !== checksum || trailer.readUInt32LE(4) !== size % 2 ** 32) {
      throw new DecompressError('it is damaged: its checksum is wrong')
    }
    offset += 8
  } while (source.read(offset, 3).equals(Buffer.from([0x1f, 0x8b, 8])))
}

/** How many bytes the head has. */
function skipHeader(source: ByteSource, offset: number): number {
  const reader = new ByteReader(source, offset)
  if (reader.byte() !== 0x1f || reader.byte() !== 0x8b) throw new DecompressError('it is not gzip')
  if (reader.byte() !== 8) throw new DecompressError('it is damaged: gzip knows no such method')
  const flags = reader.byte()
  reader.bytes(6)
  if ((flags & flag.extra) !== 0) reader.bytes(reader.byte() | (reader.byte() << 8))
  if ((flags & flag.name) !== 0) while (reader.byte() !== 0);
  if ((flags & flag.comment) !== 0) while (reader.byte() !== 0);
  if ((flags & flag.headerCrc) !== 0) reader.bytes(2)
  return reader.position - offset
}

function* pieces(source: ByteSource): Generator<Buffer> {
  for (let offset = 0; offset < source.size; offset += PIECE) yield source.read(offset, PIECE)
}

/** What zlib says, as ours; other errors are those of the source. */
function translate(cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'Z_BUF_ERROR') return cutOff()
  return code?.startsWith('Z_') ? new DecompressError('it is damaged', { cause }) : cause
}
