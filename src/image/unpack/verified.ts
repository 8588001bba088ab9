import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type ByteSource, readInto } from '../../bytes/bytes.ts'
import { crc16, crc32 } from '../../bytes/crc32.ts'
import { DamagedStream } from '../../compression/reader.ts'
import type { ImagePart, PartHash } from '../model/image.ts'

/** Bytes hashed at a time where nobody has read. */
const CHUNK = 1024 * 1024

/**
 * A part of a container whose bytes are hashed while they are read, so that they need not be read again: `verify` reads
 * the skipped ones. Do not use the bytes before.
 */
export class VerifiedPart implements ByteSource {
  readonly size: number
  readonly #part: ImagePart
  readonly #source: ByteSource
  readonly #running: readonly RunningHash[]
  /** Bytes from the start on that have been hashed. */
  #hashed = 0
  /** Reads after the comparison of the hashes no longer count. */
  #isFinished = false

  /** @param source the part's own bytes */
  constructor(part: ImagePart, source: ByteSource) {
    this.size = source.size
    this.#part = part
    this.#source = source
    this.#running = part.hashes.map(startHash)
  }

  read(offset: number, length: number): Buffer {
    const bytes = this.#source.read(offset, length)
    if (offset <= this.#hashed) this.#hash(bytes.subarray(this.#hashed - offset))
    return bytes
  }

  readInto(target: Buffer, offset: number): number {
    const bytes = readInto(this.#source, target, offset)
    if (offset <= this.#hashed) this.#hash(bytes.subarray(this.#hashed - offset))
    if (bytes.buffer !== target.buffer) bytes.copy(target)
    return bytes.length
  }

  /** @throws DamagedStream naming the hash that does not match */
  async verify(throwIfAborted: () => void): Promise<void> {
    const wrong = (await this.compare(throwIfAborted)).find(({ matches }) => matches === false)
    if (wrong !== undefined) throw new DamagedStream(mismatch(wrong.hash, this.#part))
  }

  /** Each of the part's hashes, and whether it matches the bytes. */
  async compare(throwIfAborted: () => void): Promise<readonly HashResult[]> {
    while (this.#running.length > 0 && this.#hashed < this.size) {
      throwIfAborted()
      const piece = this.#source.read(this.#hashed, CHUNK)
      if (piece.length === 0) break
      this.#hash(piece)
      await setImmediate()
    }
    this.#isFinished = true
    return this.#running.map(({ hash, digest }) => {
      const computed = digest()
      return { hash, matches: computed === null ? null : computed === hash.digest }
    })
  }

  #hash(bytes: Buffer): void {
    if (this.#isFinished) return
    for (const { update } of this.#running) update(bytes)
    this.#hashed += bytes.length
  }
}

export interface HashResult {
  readonly hash: PartHash
  /** null for an unknown algorithm. */
  readonly matches: boolean | null
}

/** A hash that does not match, in words. */
export function mismatch({ algorithm }: PartHash, { name }: ImagePart): string {
  return `the ${algorithm} of its part ${name} does not match: the file is damaged`
}

/** A hash that cannot be computed, in words. */
export function unknownHash({ algorithm }: PartHash, { name }: ImagePart): string {
  return `the hash of its part ${name} is ${algorithm}, which is not known here`
}

interface RunningHash {
  readonly hash: PartHash
  readonly update: (bytes: Buffer) => void
  /** null for an unknown algorithm. */
  readonly digest: () => string | null
}

/** Cyclic checks by their names in FIT images, with the digits of their values. */
const cyclic = new Map([
  ['crc32', { compute: crc32, digits: 8 }],
  ['crc16-ccitt', { compute: crc16, digits: 4 }],
])

/** Of the runtime's algorithms, those that U-Boot computes (hash_algo of common/hash.c). */
const digests = new Set(['md5', 'sha1', 'sha256', 'sha384', 'sha512'])

function startHash(hash: PartHash): RunningHash {
  const check = cyclic.get(hash.algorithm)
  if (check !== undefined) {
    let value = 0
    return {
      hash,
      update: (bytes) => {
        value = check.compute(bytes, value)
      },
      digest: () => value.toString(16).padStart(check.digits, '0'),
    }
  }
  if (!digests.has(hash.algorithm)) return { hash, update: () => {}, digest: () => null }
  const running = createHash(hash.algorithm)
  let digest: string | undefined
  return {
    hash,
    update: (bytes) => running.update(bytes),
    digest: () => {
      digest ??= running.digest('hex')
      return digest
    },
  }
}
