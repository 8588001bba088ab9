import type { ByteSource } from '../../bytes/bytes.ts'
import { COFF_HEADER, readSectionTable, SECTION_HEADER } from '../model/pe-sections.ts'

/**
 * The places in a PE file that Authenticode reads: Microsoft's "PE Format" and "Windows Authenticode Portable
 * Executable Signature Format".
 */
export interface PeLayout {
  /** Bytes of all headers, according to SizeOfHeaders. */
  readonly headerSize: number
  readonly checksumOffset: number
  /** The stored checksum; 0 when none was computed. */
  readonly checksum: number
  /** Offset of the data directory's entry for the certificate table, or null when the directory ends before it. */
  readonly certificateEntry: number | null
  /** The certificate table, according to that entry; null when there is none. */
  readonly table: Range | null
  /** Sections with bytes in the file, in the order they are hashed. */
  readonly sections: readonly Section[]
  /** Why the image cannot be the signed one; one sentence each. Any of them leaves the digest uncomputed. */
  readonly problems: readonly string[]
}

export interface Range {
  readonly offset: number
  readonly length: number
}

interface Section extends Range {
  readonly name: string
  readonly virtualAddress: number
  readonly virtualSize: number
}

const DOS_HEADER = 64
const CERTIFICATE_TABLE = 4
/** Offsets in the optional header: the two kinds differ from SizeOfStackReserve on. */
const CHECKSUM = 64
const SIZE_OF_HEADERS = 60
const DIRECTORY_COUNT = { 267: 92, 523: 108 } as const

/** Authenticode's view of a file: a PE image, another file, or a PE image whose headers are too damaged. */
export type PeReading = { readonly layout: PeLayout } | { readonly problem: string } | undefined

/** Reads the headers. None of their values is used before it is known to lie inside the file. */
export function readPeLayout(source: ByteSource): PeReading {
  const dos = source.read(0, DOS_HEADER)
  if (dos.length < DOS_HEADER) return undefined
  const isDos = dos.toString('latin1', 0, 2) === 'MZ'
  const start = dos.readUInt32LE(0x3c)
  const hasPeMark = start >= DOS_HEADER && source.read(start, 4).toString('latin1') === 'PE\0\0'
  if (!isDos && !hasPeMark) return undefined
  // A program of DOS, or a kernel that was built without its EFI stub: the field points nowhere.
  if (isDos && start === 0) return undefined
  if (!isDos) return { problem: 'it has a PE header, but does not begin with MZ' }
  if (!hasPeMark) return { problem: 'it begins with MZ, but has no PE header where the field at 0x3c points' }
  const coff = source.read(start, COFF_HEADER + 2)
  // An object file with a DOS header, added by objcopy: it has no data directory that could name a signature.
  if (coff.length === COFF_HEADER + 2 && coff.readUInt16LE(20) === 0) return undefined
  const magic = coff.length < COFF_HEADER + 2 ? 0 : coff.readUInt16LE(COFF_HEADER)
  if (magic !== 0x10b && magic !== 0x20b) return { problem: 'its PE optional header is of no known kind' }
  const optional = start + COFF_HEADER
  const countOffset = DIRECTORY_COUNT[magic]
  const header = source.read(optional, countOffset + 4)
  if (header.length < countOffset + 4) return { problem: 'it ends inside its PE header' }
  return { layout: layoutOf(source, { optional, countOffset, header, coff }) }
}

interface Headers {
  readonly optional: number
  readonly countOffset: number
  readonly header: Buffer
  readonly coff: Buffer
}

function layoutOf(source: ByteSource, { optional, countOffset, header, coff }: Headers): PeLayout {
  const problems: string[] = []
  const headerSize = header.readUInt32LE(SIZE_OF_HEADERS)
  const directoryCount = header.readUInt32LE(countOffset)
  const directory = optional + countOffset + 4
  const sectionTable = optional + coff.readUInt16LE(20)
  const sectionCount = coff.readUInt16LE(6)
  if (headerSize >= source.size) {
    problems.push(`its headers are ${headerSize} bytes by its own account, but the file has ${source.size}`)
  }
  // The kernel finds the sections behind the data directory, firmware behind the optional header: both must be the same
  // place.
  if (directory + directoryCount * 8 !== sectionTable) {
    problems.push(
      `its data directory has ${directoryCount} entries, which does not agree with its optional header's size`,
    )
  }
  if (sectionTable + sectionCount * SECTION_HEADER > headerSize) {
    problems.push(`its ${sectionCount} section headers do not fit into its ${headerSize} bytes of headers`)
  }
  const certificateEntry = directoryCount > CERTIFICATE_TABLE ? directory + CERTIFICATE_TABLE * 8 : null
  const layout = {
    headerSize,
    checksumOffset: optional + CHECKSUM,
    checksum: header.readUInt32LE(CHECKSUM),
    certificateEntry,
    table: certificateEntry === null ? null : readTable(source, certificateEntry),
  }
  const sections = problems.length > 0 ? [] : readSections(source, sectionTable, sectionCount)
  const coverage = problems.length > 0 ? [] : coverageProblems(source, layout.headerSize, layout.table, sections)
  return { ...layout, sections, problems: [...problems, ...coverage] }
}

function readTable(source: ByteSource, entry: number): Range | null {
  const bytes = source.read(entry, 8)
  if (bytes.length < 8) return null
  const offset = bytes.readUInt32LE(0)
  const length = bytes.readUInt32LE(4)
  return offset === 0 && length === 0 ? null : { offset, length }
}

/** Sorted by position, as every implementation does; sections without bytes in the file are not hashed. */
function readSections(source: ByteSource, offset: number, count: number): Section[] {
  return readSectionTable(source, offset, count)
    .map((section) => ({ ...section, length: section.rawSize }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.offset - b.offset || a.virtualAddress - b.virtualAddress)
}

/** The conditions for hashing the sections, each byte at most once. */
function coverageProblems(
  source: ByteSource,
  headerSize: number,
  table: Range | null,
  sections: readonly Section[],
): string[] {
  const problems: string[] = []
  const outside = sections.find(({ offset, length }) => offset + length > source.size)
  if (outside) problems.push(`its section ${printable(outside.name)} reaches beyond the end of the file`)
  if (table !== null) problems.push(...tableProblems(source.size, headerSize, table))
  const hashed = headerSize + sections.reduce((sum, { length }) => sum + length, 0)
  // The kernel hashes the rest of the file after this many bytes, less the table's size; a negative rest is ELIBBAD.
  if (problems.length === 0 && hashed + (table?.length ?? 0) > source.size) {
    problems.push('its sections overlap, or reach into its certificate table')
  }
  return problems
}

function tableProblems(size: number, headerSize: number, { offset, length }: Range): string[] {
  if (offset === 0 || length === 0) return ['its entry for the certificate table is half empty']
  if (offset < headerSize || offset + length > size) {
    return [`its certificate table (${length} bytes at ${offset}) lies outside the file's contents (${size} bytes)`]
  }
  return []
}

function printable(name: string): string {
  return JSON.stringify(name).slice(1, -1)
}
