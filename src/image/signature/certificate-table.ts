import type { ByteSource } from '../bytes.ts'
import { firstElement } from './der.ts'
import type { PeRange } from './pe-layout.ts'

/** A WIN_CERTIFICATE of a PE file: the bytes of its PKCS#7 structure, and all of the entry with header and filling. */
export interface CertificateEntry {
  readonly bytes: Buffer
  readonly entry: Buffer
}

const HEADER = 8
const REVISION_2 = 0x0200
const PKCS_SIGNED_DATA = 0x0002
/** Real ones have a few kilobytes. */
const MAX_TABLE = 4 << 20
const MAX_ENTRIES = 16

/** Reads the table ("The Attribute Certificate Table" of PE Format); what is wrong with it goes into `problems`. */
export function certificateEntries(
  source: ByteSource,
  { offset, size }: PeRange,
  problems: string[],
): CertificateEntry[] {
  if (offset === 0 || size === 0) {
    problems.push(`the certificate table is said to be ${size} bytes at byte ${offset}, where none can be`)
    return []
  }
  if (offset + size > source.size) {
    problems.push(`the certificate table (bytes ${offset} to ${offset + size}) reaches beyond the end of the file`)
    return []
  }
  if (offset + size < source.size) problems.push(`${source.size - offset - size} bytes follow the certificate table`)
  if (offset % 8 !== 0) problems.push(`the certificate table begins at byte ${offset}, which is no multiple of 8`)
  if (size > MAX_TABLE) {
    problems.push(`the certificate table has ${size} bytes, more than any signature needs`)
    return []
  }
  const table = source.read(offset, size)
  const entries: CertificateEntry[] = []
  for (let start = 0; start < table.length; ) {
    const length = table.length - start < HEADER ? 0 : table.readUInt32LE(start)
    if (length < HEADER || length > table.length - start || entries.length === MAX_ENTRIES) {
      problems.push(`the certificate table is damaged at byte ${offset + start} of the file`)
      break
    }
    const [revision, type] = [table.readUInt16LE(start + 4), table.readUInt16LE(start + 6)]
    const next = Math.min(table.length, start + Math.ceil(length / 8) * 8)
    const isKnown = revision === REVISION_2 && type === PKCS_SIGNED_DATA
    if (!isKnown)
      problems.push(`the certificate at byte ${offset + start} is of unknown type ${type}, revision ${revision}`)
    else if (hasStrayBytes(table, start, length))
      problems.push(`the certificate at byte ${offset + start} has a length that its PKCS#7 structure does not have`)
    else entries.push({ bytes: table.subarray(start + HEADER, start + length), entry: table.subarray(start, next) })
    if (table.subarray(start + length, next).some((octet) => octet !== 0)) {
      problems.push(`the filling behind the certificate at byte ${offset + start} is not zero`)
    }
    start = next
  }
  return entries
}

/** The entry has the length of the structure, as it is or filled up to a multiple of 8; anything else is a changed length. */
function hasStrayBytes(table: Buffer, start: number, length: number): boolean {
  try {
    const structure = firstElement(table.subarray(start + HEADER, start + length)).whole.length + HEADER
    return length !== structure && length !== Math.ceil(structure / 8) * 8
  } catch {
    // Whoever reads the structure says what is wrong with it.
    return false
  }
}
