import type { ByteSource } from '../bytes.ts'
import { DecompressError } from './decompress.ts'

const PIECE = 64 * 1024

/** Reads a source from its start on, byte by byte or in runs. */
export class ByteReader {
  private readonly source: ByteSource
  private piece: Buffer = Buffer.alloc(0)
  private at = 0
  /** Of the piece, in the source. */
  private start: number

  constructor(source: ByteSource, offset = 0) {
    this.source = source
    this.start = offset
  }

  /** Where the next byte is. */
  get position(): number {
    return this.start + this.at
  }

  get isAtEnd(): boolean {
    return this.at >= this.piece.length && !this.refill()
  }

  byte(): number {
    if (this.at >= this.piece.length && !this.refill()) throw cutOff()
    return this.piece[this.at++] as number
  }

  uint32LE(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0
  }

  /** Exactly `length` bytes, which share no memory with what is read later. */
  bytes(length: number): Buffer {
    if (length > this.source.size - this.position) throw cutOff()
    const found = this.source.read(this.position, length)
    if (found.length < length) throw cutOff()
    this.start += this.at + length
    this.at = 0
    this.piece = Buffer.alloc(0)
    return found
  }

  /** Passes over bytes that have to be there. */
  skip(length: number): void {
    if (length > this.source.size - this.position) throw cutOff()
    if (this.at + length <= this.piece.length) {
      this.at += length
      return
    }
    this.start += this.at + length
    this.at = 0
    this.piece = Buffer.alloc(0)
  }

  private refill(): boolean {
    this.start += this.piece.length
    this.at = 0
    this.piece = this.source.read(this.start, PIECE)
    return this.piece.length > 0
  }
}

export const cutOff = () => new DecompressError('it ends before its compressed data does')
