/** Headers of the "Executable and Linking Format" (gABI, "Object Files" and "Program Loading"), of either class and byte order. */

/** Bytes of the longer of the two headers, that of 64 bits. */
export const ELF_HEADER = 64

/** p_type of a part that is loaded, of one that names the interpreter of a program, and of one with notes. */
export const PT_LOAD = 1
export const PT_INTERP = 3
export const PT_NOTE = 4

export interface ElfHeader {
  readonly is64: boolean
  readonly byteOrder: 'little' | 'big'
  /** e_type: 2 is an executable. */
  readonly type: number
  /** e_machine. */
  readonly machine: number
  /** The rest is null where the header is cut off. The address of the first instruction. */
  readonly entry: bigint | null
  /** The table of program headers: where it lies in the file, bytes of each of its entries, and their number. */
  readonly table: { readonly offset: bigint; readonly entrySize: number; readonly count: number } | null
}

/** An entry of the program header table. */
export interface ProgramHeader {
  readonly type: number
  readonly offset: bigint
  readonly virtual: bigint
  readonly physical: bigint
  /** Bytes in the file. */
  readonly fileSize: bigint
  /** Bytes in memory. */
  readonly memorySize: bigint
}

const MAGIC = 0x7f454c46

/** Whether a file is an ELF file, by its first bytes. */
export function isElf(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32BE(0) === MAGIC
}

/** The header of an ELF file; undefined for another file, and for one that ends before e_machine. */
export function readElfHeader(head: Buffer): ElfHeader | undefined {
  if (!isElf(head) || head.length < 20) return undefined
  const [is64, byteOrder] = [head[4] === 2, head[5] === 2 ? 'big' : 'little'] as const
  const { half, word } = numbersOf(byteOrder, is64)
  const [length, at] = is64 ? ([64, 54] as const) : ([52, 42] as const)
  return {
    is64,
    byteOrder,
    type: half(head, 16),
    machine: half(head, 18),
    entry: head.length < (is64 ? 32 : 28) ? null : word(head, 24),
    table:
      head.length < length
        ? null
        : { offset: word(head, is64 ? 32 : 28), entrySize: half(head, at), count: half(head, at + 2) },
  }
}

/** Bytes that an entry of the program header table has at least. */
export function programHeaderSize({ is64 }: Pick<ElfHeader, 'is64'>): number {
  return is64 ? 56 : 32
}

/** The entries of a program header table, as far as `bytes` has them whole. */
export function readProgramHeaders(
  bytes: Buffer,
  { is64, byteOrder }: Pick<ElfHeader, 'is64' | 'byteOrder'>,
  entrySize: number,
): ProgramHeader[] {
  const { long, word } = numbersOf(byteOrder, is64)
  const headers: ProgramHeader[] = []
  for (let at = 0; at + entrySize <= bytes.length; at += entrySize) {
    const number = (in64: number, in32: number) => word(bytes, at + (is64 ? in64 : in32))
    headers.push({
      type: long(bytes, at),
      offset: number(8, 4),
      virtual: number(16, 8),
      physical: number(24, 12),
      fileSize: number(32, 16),
      memorySize: number(40, 20),
    })
  }
  return headers
}

/** A half is 2 bytes, a long is 4, a word is 4 or 8 by the class. */
function numbersOf(byteOrder: 'little' | 'big', is64: boolean) {
  const little = byteOrder === 'little'
  const half = (bytes: Buffer, at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at))
  const long = (bytes: Buffer, at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  const wide = (bytes: Buffer, at: number) => (little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))
  return { half, long, word: (bytes: Buffer, at: number) => (is64 ? wide(bytes, at) : BigInt(long(bytes, at))) }
}
