import { closeSync, openSync, readSync } from 'node:fs'
import { ELF_HEADER, PT_LOAD, programHeaderSize, readElfHeader, readProgramHeaders } from '../bytes/elf.ts'

/** The memory of the running kernel as an ELF core: fs/proc/kcore.c. Only with CAP_SYS_RAWIO, and not under lockdown=confidentiality. */
const KCORE = '/proc/kcore'

/** Program headers read; a machine has one for each range of memory and a handful more. */
const MAX_RANGES = 4096

interface Range {
  readonly address: bigint
  readonly end: bigint
  /** Its place in memory, or all ones where that is not one place. */
  readonly physical: bigint
  readonly offset: bigint
}

/** Reads small parts of the running kernel's memory, and never writes. */
export class KernelMemory {
  readonly #fd: number
  readonly #ranges: readonly Range[]

  private constructor(fd: number, ranges: readonly Range[]) {
    this.#fd = fd
    this.#ranges = ranges
  }

  /** Opens it. @returns in words why it cannot be read, when it cannot */
  static open(path = KCORE): KernelMemory | string {
    let fd: number | undefined
    try {
      fd = openSync(path, 'r')
      const ranges = readRanges(fd)
      if (ranges.length > 0) return new KernelMemory(fd, ranges)
      closeSync(fd)
      return `${path} is not an ELF core of 64 bits`
    } catch (error) {
      if (fd !== undefined) closeSync(fd)
      return `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`
    }
  }

  /** The bytes at a virtual address; undefined where they cannot be read whole. */
  read(address: bigint, length: number): Buffer | undefined {
    const range = this.#ranges.find((each) => address >= each.address && address + BigInt(length) <= each.end)
    return range && this.#at(range.offset + address - range.address, length)
  }

  /** The bytes at a physical address; undefined where they cannot be read whole. */
  readPhysical(physical: bigint, length: number): Buffer | undefined {
    for (const range of this.#ranges) {
      const into = physical - range.physical
      if (into >= 0n && into + BigInt(length) <= range.end - range.address) return this.#at(range.offset + into, length)
    }
    return undefined
  }

  close(): void {
    closeSync(this.#fd)
  }

  #at(offset: bigint, length: number): Buffer | undefined {
    try {
      const bytes = Buffer.alloc(length)
      return readSync(this.#fd, bytes, 0, length, offset) === length ? bytes : undefined
    } catch {
      return undefined
    }
  }
}

/** The PT_LOAD headers; none for a file that is not a little-endian ELF file of 64 bits. */
function readRanges(fd: number): Range[] {
  const head = Buffer.alloc(ELF_HEADER)
  const header = readElfHeader(head.subarray(0, readSync(fd, head, 0, ELF_HEADER, 0)))
  if (!header?.is64 || header.byteOrder === 'big' || header.table === null) return []
  const size = programHeaderSize(header)
  if (header.table.entrySize !== size) return []
  const bytes = Buffer.alloc(Math.min(header.table.count, MAX_RANGES) * size)
  if (readSync(fd, bytes, 0, bytes.length, header.table.offset) < bytes.length) return []
  return readProgramHeaders(bytes, header, size)
    .filter(({ type }) => type === PT_LOAD)
    .map(({ virtual, memorySize, physical, offset }) => ({
      address: virtual,
      end: virtual + memorySize,
      physical,
      offset,
    }))
}
