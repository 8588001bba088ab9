import type { ByteSource } from '../../bytes/bytes.ts'
import { magicAt } from './image.ts'

/** A section in the table of a PE file (Microsoft's "PE Format", "Section Table"). */
export interface PeSection {
  readonly name: string
  /** Of its bytes in the file. */
  readonly offset: number
  /** Bytes in the file, with the padding at their end. */
  readonly rawSize: number
  /** Bytes in memory: less than rawSize where the file pads the section. */
  readonly virtualSize: number
  readonly virtualAddress: number
}

export interface PeFile {
  /** As `uname -m` prints it, or null for an unknown machine. */
  readonly architecture: string | null
  /** Whether it has a certificate table (Authenticode): a signature is attached, valid or not. */
  readonly isSigned: boolean
  /** In the order of the file, which has a meaning in unified kernel images. */
  readonly sections: readonly PeSection[]
}

/** IMAGE_FILE_HEADER.Machine: PE Format, "Machine Types". */
export const peMachines: ReadonlyMap<number, string> = new Map([
  [0x014c, 'i386'],
  [0x8664, 'x86_64'],
  [0xaa64, 'aarch64'],
  [0x01c2, 'armv7l'],
  [0x5064, 'riscv64'],
  [0x6264, 'loongarch64'],
])

const DOS_HEADER = 0x40
export const COFF_HEADER = 24
export const SECTION_HEADER = 40
const CERTIFICATE_TABLE = 4

/** More sections than any image has. A longer table is garbage. */
const MAX_SECTIONS = 1024

/**
 * Reads the headers of a PE file and nothing else.
 * @returns its fault when it is not a PE file, to complete a sentence that begins with its path
 */
export function readPeFile(source: ByteSource): PeFile | string {
  if (source.size === 0) return 'is empty'
  const start = peHeaderOffset(source)
  const coff = start === undefined ? undefined : source.read(start, COFF_HEADER)
  if (start === undefined || coff === undefined || coff.length < COFF_HEADER) return 'is not a PE file'
  const count = coff.readUInt16LE(6)
  if (count > MAX_SECTIONS) return `claims to have ${count} sections`
  const sections = readSectionTable(source, start + COFF_HEADER + coff.readUInt16LE(20), count)
  if (sections.length < count) return 'is truncated: it ends within its section table'
  return {
    architecture: peMachines.get(coff.readUInt16LE(4)) ?? null,
    isSigned: hasCertificateTable(source, start + COFF_HEADER),
    sections,
  }
}

/** Offset of the "PE\0\0" mark, or undefined when this is not a PE file or the pointer at 0x3c leads nowhere. */
export function peHeaderOffset(source: ByteSource): number | undefined {
  const dos = source.read(0, DOS_HEADER)
  if (dos.length < DOS_HEADER || !magicAt(dos, 0, 'MZ')) return undefined
  const start = dos.readUInt32LE(0x3c)
  return magicAt(source.read(start, 4), 0, 'PE\0\0') ? start : undefined
}

/** A section table, as far as the file has it whole. */
export function readSectionTable(source: ByteSource, offset: number, count: number): PeSection[] {
  const bytes = source.read(offset, count * SECTION_HEADER)
  const sections: PeSection[] = []
  for (let at = 0; at + SECTION_HEADER <= bytes.length; at += SECTION_HEADER) {
    sections.push({
      name: bytes.toString('latin1', at, at + 8).replace(/\0.*$/s, ''),
      virtualSize: bytes.readUInt32LE(at + 8),
      virtualAddress: bytes.readUInt32LE(at + 12),
      rawSize: bytes.readUInt32LE(at + 16),
      offset: bytes.readUInt32LE(at + 20),
    })
  }
  return sections
}

/** Whether the data directory names a certificate table. */
export function hasCertificateTable(source: ByteSource, optional: number): boolean {
  const entry = source.read(certificateTableEntry(source, optional), 8)
  return entry.length === 8 && entry.readUInt32LE(0) !== 0 && entry.readUInt32LE(4) !== 0
}

/** Where the data directory, which lies further on in PE32+ than in PE32, has the certificate table. */
export function certificateTableEntry(source: ByteSource, optional: number): number {
  const magic = source.read(optional, 2)
  const directory = optional + (magic.length === 2 && magic.readUInt16LE(0) === 0x20b ? 112 : 96)
  return directory + CERTIFICATE_TABLE * 8
}

/** Bytes of a section that are in the file and count: where it is set, VirtualSize is the length before padding. */
export function sectionSize({ virtualSize, rawSize }: PeSection): number {
  return virtualSize > 0 ? Math.min(virtualSize, rawSize) : rawSize
}
