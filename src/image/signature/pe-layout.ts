import type { ByteSource } from '../bytes.ts'

/** Where a PE file keeps what Authenticode looks at: Microsoft's "PE Format". Offsets are bytes from the start of the file. */
export interface PeLayout {
  readonly checksumOffset: number
  /** Of the certificate table's entry among the data directories, or null when the header has no such entry. */
  readonly directoryEntry: number | null
  /** Bytes of all headers, as the header says it (SizeOfHeaders). */
  readonly headersSize: number
  readonly sections: readonly PeRange[]
  /** The certificate table; null when there is none. Not yet checked against the size of the file. */
  readonly certificates: PeRange | null
}

export interface PeRange {
  readonly offset: number
  readonly size: number
}

const COFF_HEADER = 24
const SECTION_HEADER = 40
const DIRECTORY_ENTRY = 8
const CERTIFICATE_TABLE = 4

/** More sections than any image has; a longer table is garbage. */
const MAX_SECTIONS = 1024

/** Reads the headers. A string says, to complete a sentence that begins with "the PE header", why they cannot be; null: no PE file. */
export function peLayout(source: ByteSource): PeLayout | string | null {
  const dos = source.read(0, 0x40)
  if (dos.length < 0x40 || dos.toString('latin1', 0, 2) !== 'MZ') return null
  const start = dos.readUInt32LE(0x3c)
  const coff = source.read(start, COFF_HEADER)
  if (coff.length < COFF_HEADER || coff.toString('latin1', 0, 4) !== 'PE\0\0') return null
  const optionalOffset = start + COFF_HEADER
  const optional = source.read(optionalOffset, coff.readUInt16LE(20))
  if (optional.length < coff.readUInt16LE(20)) return 'is cut off'
  const directories = optional.length < 96 ? undefined : directoriesOffset(optional.readUInt16LE(0))
  if (directories === undefined || optional.length < directories)
    return 'has an optional header that is neither PE32 nor PE32+'
  const count = coff.readUInt16LE(6)
  if (count > MAX_SECTIONS) return `claims to have ${count} sections`
  const table = source.read(optionalOffset + optional.length, count * SECTION_HEADER)
  if (table.length < count * SECTION_HEADER) return 'is cut off within its section table'
  const entry = directories + CERTIFICATE_TABLE * DIRECTORY_ENTRY
  const hasEntry =
    optional.readUInt32LE(directories - 4) > CERTIFICATE_TABLE && optional.length >= entry + DIRECTORY_ENTRY
  const [offset, size] = hasEntry ? [optional.readUInt32LE(entry), optional.readUInt32LE(entry + 4)] : [0, 0]
  const layout = {
    checksumOffset: optionalOffset + 64,
    directoryEntry: hasEntry ? optionalOffset + entry : null,
    headersSize: optional.readUInt32LE(60),
    sections: Array.from({ length: count }, (_, index) => section(table, index * SECTION_HEADER)),
    certificates: offset === 0 && size === 0 ? null : { offset, size },
  }
  const headersEnd = optionalOffset + optional.length + table.length
  if (layout.headersSize < headersEnd || layout.headersSize > source.size) {
    return `says that the headers have ${layout.headersSize} bytes, which cannot be`
  }
  return layout
}

/** Where the data directories begin in the optional header: it depends on its magic number. */
function directoriesOffset(magic: number): number | undefined {
  if (magic === 0x10b) return 96
  return magic === 0x20b ? 112 : undefined
}

function section(table: Buffer, start: number): PeRange {
  return { size: table.readUInt32LE(start + 16), offset: table.readUInt32LE(start + 20) }
}
