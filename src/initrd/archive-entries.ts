import { setImmediate } from 'node:timers/promises'
import { type ByteSource, partOf } from '../bytes/bytes.ts'
import { canDecompress, DamagedStream, decompress } from '../compression/decompress.ts'
import { KexecError } from '../errors.ts'
import { textOfBytes } from '../exact-text.ts'
import { compressionAt } from '../image/model/image.ts'
import { CPIO_ALIGNMENT, fileTypes } from './cpio.ts'

/** A file, directory, link or device of an archive. */
export interface ArchiveEntry {
  /** Relative to the root, without a leading slash or dot. */
  readonly name: string
  /** Type and permissions. */
  readonly mode: number
  /** The target of a symbolic link, else null. */
  readonly target: string | null
  /** Bytes of its content. */
  readonly size: number
}

const HEADER = 110
/** PATH_MAX of the kernel, which takes no longer names. */
const MAX_NAME = 4096
/** More than any initrd unpacks to, in bytes. */
const MAX_UNPACKED = 8 * 1024 ** 3

/**
 * Lists the unpacked files of an initrd, in order: consecutive uncompressed archives, and the first compressed one.
 * Data behind that is not read, nor data in an unknown compression. Other work runs in between.
 * @returns whether everything was read
 * @throws KexecError 'aborted'
 */
export async function listArchive(
  source: ByteSource,
  see: (entry: ArchiveEntry) => void,
  signal?: AbortSignal,
): Promise<boolean> {
  let offset = 0
  while (offset < source.size) {
    const head = source.read(offset, 512)
    const zeros = head.findIndex((byte) => byte !== 0)
    if (zeros !== 0) {
      offset += zeros < 0 ? head.length : zeros
      continue
    }
    const rest = partOf(source, offset, source.size - offset)
    if (isArchive(head)) {
      const length = await readArchive(new ArchiveReader(chunksOf(rest), signal), see)
      if (length === undefined) return false
      offset += length
      continue
    }
    const compression = compressionAt(head, 0)
    if (compression === null || !canDecompress(compression)) return false
    return listCompressed(new ArchiveReader(decompress(compression, rest, MAX_UNPACKED), signal), see)
  }
  return true
}

async function listCompressed(reader: ArchiveReader, see: (entry: ArchiveEntry) => void) {
  try {
    for (;;) {
      if ((await readArchive(reader, see)) === undefined) return false
      if (!(await reader.skipZeros())) return true
    }
  } catch (error) {
    if (error instanceof DamagedStream) return false
    throw error
  }
}

function isArchive(head: Buffer): boolean {
  return /^07070[12]$/.test(head.toString('latin1', 0, 6))
}

/** Reads one archive to its trailer. @returns its length, or undefined when it is damaged */
async function readArchive(reader: ArchiveReader, see: (entry: ArchiveEntry) => void): Promise<number | undefined> {
  const start = reader.position
  for (;;) {
    const header = await reader.take(HEADER)
    if (header === undefined || !isArchive(header)) return undefined
    const field = (index: number) => Number.parseInt(header.toString('latin1', 6 + index * 8, 14 + index * 8), 16)
    const [mode, size, nameLength] = [field(1), field(6), field(11)]
    if (![mode, size, nameLength].every((number) => number >= 0) || nameLength < 1 || nameLength > MAX_NAME) return
    const nameBytes = await reader.take(nameLength)
    if (nameBytes === undefined || !(await reader.align(start))) return undefined
    const name = textOfBytes(nameBytes.subarray(0, -1))
    if (name === 'TRAILER!!!') return reader.position - start
    const isLink = (mode & fileTypes.mask) === fileTypes.link && size <= MAX_NAME
    const linked = isLink ? await reader.take(size) : null
    if (linked === undefined || !(await reader.skip(isLink ? 0 : size)) || !(await reader.align(start))) return
    const target = linked && textOfBytes(linked).replace(/\0.*$/s, '')
    see({ name: name.replace(/^(?:\.?\/)+/, ''), mode, target, size })
  }
}

function* chunksOf(source: ByteSource): Generator<Buffer> {
  const CHUNK = 256 * 1024
  for (let offset = 0; offset < source.size; offset += CHUNK) yield source.read(offset, CHUNK)
}

/** Takes bytes off a stream in pieces of the requested size. */
class ArchiveReader {
  position = 0
  readonly #chunks: AsyncIterator<Buffer> | Iterator<Buffer>
  readonly #signal: AbortSignal | undefined
  #chunk: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Buffer> | Iterable<Buffer>, signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
  }

  /** The next bytes, copied; undefined where there are fewer. */
  async take(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = []
    let missing = length
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#fill())) return undefined
      const piece = Buffer.from(this.#chunk.subarray(0, missing))
      pieces.push(piece)
      this.#drop(piece.length)
      missing -= piece.length
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }

  /** @returns false at the end */
  async skip(length: number): Promise<boolean> {
    let missing = length
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#fill())) return false
      const here = Math.min(missing, this.#chunk.length)
      this.#drop(here)
      missing -= here
    }
    return true
  }

  /** Goes to the next multiple of four from the beginning of the archive. */
  align(start: number): Promise<boolean> {
    return this.skip((CPIO_ALIGNMENT - ((this.position - start) % CPIO_ALIGNMENT)) % CPIO_ALIGNMENT)
  }

  /**
   * @returns whether more bytes follow
   */
  async skipZeros(): Promise<boolean> {
    for (;;) {
      if (this.#chunk.length === 0 && !(await this.#fill())) return false
      const zeros = this.#chunk.findIndex((byte) => byte !== 0)
      this.#drop(zeros < 0 ? this.#chunk.length : zeros)
      if (zeros >= 0) return true
    }
  }

  #drop(length: number): void {
    this.#chunk = this.#chunk.subarray(length)
    this.position += length
  }

  async #fill(): Promise<boolean> {
    await setImmediate()
    if (this.#signal?.aborted) {
      throw new KexecError('interrupted while the initrd was looked into; what was loaded before still is', {
        reason: 'aborted',
        cause: this.#signal.reason,
      })
    }
    const { done, value } = await this.#chunks.next()
    if (done) return false
    this.#chunk = value
    return true
  }
}
