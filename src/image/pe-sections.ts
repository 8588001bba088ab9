import { closeSync, fstatSync, readSync } from 'node:fs'
import type { System } from '../system/system.ts'
import { peMachines } from './pe.ts'

/** A section of a PE file (Microsoft's "PE Format", "Section Table"). */
export interface PeSection {
  readonly name: string
  /** Of its bytes in the file. */
  readonly offset: number
  /** Bytes in the file, without the filling at their end. */
  readonly size: number
}

export interface PeFile {
  /** As `uname -m` prints it, or null for a machine that is not known. */
  readonly architecture: string | null
  /** In the order of the file, which has a meaning in unified kernel images. */
  readonly sections: readonly PeSection[]
  /** Reads a section, at most `limit` bytes of it; undefined when the file ends before it does. */
  read(section: PeSection, limit: number): Buffer | undefined
}

const DOS_HEADER = 0x40
const COFF_HEADER = 24
const SECTION_HEADER = 40

/** More sections than any image has; a table longer than this is garbage. */
const MAX_SECTIONS = 1024

/**
 * Opens a PE file, hands it to `use`, and closes it. Reads no more than its headers by itself.
 * @throws Node's error when it cannot be opened or read; an Error with a sentence's end ('is no PE file') when it is not one.
 */
export function withPeFile<Result>(system: System, path: string, use: (file: PeFile) => Result): Result {
  const fd = system.open(path)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new NotPe('is not a file')
    return use(parse(fd, stats.size))
  } finally {
    closeSync(fd)
  }
}

/** What is said of the file completes a sentence that begins with its path. */
export class NotPe extends Error {}

function parse(fd: number, size: number): PeFile {
  if (size === 0) throw new NotPe('is empty')
  const dos = readExactly(fd, 0, DOS_HEADER)
  if (dos === undefined || dos.toString('latin1', 0, 2) !== 'MZ') throw new NotPe('is no PE file')
  const start = dos.readUInt32LE(0x3c)
  const coff = readExactly(fd, start, COFF_HEADER)
  if (coff === undefined || coff.toString('latin1', 0, 4) !== 'PE\0\0') throw new NotPe('is no PE file')
  const count = coff.readUInt16LE(6)
  if (count > MAX_SECTIONS) throw new NotPe(`claims to have ${count} sections`)
  const table = readExactly(fd, start + COFF_HEADER + coff.readUInt16LE(20), count * SECTION_HEADER)
  if (table === undefined) throw new NotPe('is truncated: it ends within its section table')
  return {
    architecture: peMachines.get(coff.readUInt16LE(4)) ?? null,
    sections: Array.from({ length: count }, (_, index) => section(table.subarray(index * SECTION_HEADER))),
    read: ({ offset, size: length }, limit) => readExactly(fd, offset, Math.min(length, limit)),
  }
}

function section(header: Buffer): PeSection {
  const [virtualSize, rawSize] = [header.readUInt32LE(8), header.readUInt32LE(16)]
  return {
    name: header.toString('latin1', 0, 8).replace(/\0+$/, ''),
    offset: header.readUInt32LE(20),
    size: Math.min(virtualSize, rawSize),
  }
}

function readExactly(fd: number, offset: number, length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, buffer, filled, length - filled, offset + filled)
    if (count === 0) return undefined
    filled += count
  }
  return buffer
}
