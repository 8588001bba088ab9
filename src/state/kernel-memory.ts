import { closeSync, openSync, readSync } from 'node:fs'

/** The memory of the running kernel as an ELF core: fs/proc/kcore.c. Only with CAP_SYS_RAWIO, and not under lockdown=confidentiality. */
const KCORE = '/proc/kcore'

/** Program headers read; a machine has one for each range of memory and a handful more. */
const MAX_RANGES = 4096

/** Elf64_Ehdr and Elf64_Phdr, bytes. */
const HEADER = 64
const PROGRAM_HEADER = 56
const PT_LOAD = 1

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
      return `${path} is no ELF core of 64 bits`
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
  const header = Buffer.alloc(HEADER)
  if (readSync(fd, header, 0, HEADER, 0) < HEADER) return []
  // e_ident: magic, ELFCLASS64, ELFDATA2LSB.
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return []
  const start = header.readBigUInt64LE(32)
  const count = Math.min(header.readUInt16LE(56), MAX_RANGES)
  if (header.readUInt16LE(54) !== PROGRAM_HEADER) return []
  const table = Buffer.alloc(count * PROGRAM_HEADER)
  if (readSync(fd, table, 0, table.length, start) < table.length) return []
  const ranges: Range[] = []
  for (let at = 0; at < table.length; at += PROGRAM_HEADER) {
    if (table.readUInt32LE(at) !== PT_LOAD) continue
    const address = table.readBigUInt64LE(at + 16)
    const end = address + table.readBigUInt64LE(at + 40)
    ranges.push({ address, end, physical: table.readBigUInt64LE(at + 24), offset: table.readBigUInt64LE(at + 8) })
  }
  return ranges
}
