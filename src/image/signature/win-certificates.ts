import type { ByteSource } from '../../bytes/bytes.ts'
import type { Range } from './pe-layout.ts'

/** The contents of a PE image's certificate table. */
export interface CertificateTable {
  /** The PKCS#7 bytes of each signature, padding included. */
  readonly signatures: readonly Buffer[]
  readonly refusedByKexec: readonly string[]
  readonly problems: readonly string[]
}

const HEADER = 8
const REVISION_2 = 0x0200
const PKCS_SIGNED_DATA = 2

/** The most signatures read from one image; no tool or distribution puts more than three there. */
const MAX_SIGNATURES = 16

/** The most bytes of a table that are read; a signature has a few thousand. */
const MAX_TABLE = 1024 * 1024

/**
 * Reads the WIN_CERTIFICATE entries, each aligned to 8 bytes (PE Format, "The Attribute Certificate Table").
 * @param range the table, which lies inside the file
 */
export function readCertificateTable(source: ByteSource, { offset, length }: Range): CertificateTable {
  const signatures: Buffer[] = []
  const problems: string[] = []
  const refusedByKexec: string[] = []
  if (offset % 8 !== 0) problems.push('its certificate table is not aligned to 8 bytes')
  const rest = source.size - offset - length
  if (rest > 0) problems.push(`${rest} bytes follow its certificate table, where it has to be the last`)
  if (length > MAX_TABLE) problems.push(`its certificate table of ${length} bytes is larger than any signature`)
  const table = source.read(offset, Math.min(length, MAX_TABLE))
  let at = 0
  let entries = 0
  for (; at + HEADER <= table.length && entries < MAX_SIGNATURES; entries++) {
    const size = table.readUInt32LE(at)
    if (size < HEADER || size > table.length - at) {
      problems.push(`entry ${entries + 1} of its certificate table has an impossible length of ${size} bytes`)
      break
    }
    const revision = table.readUInt16LE(at + 4)
    const type = table.readUInt16LE(at + 6)
    if (revision !== REVISION_2)
      problems.push(`entry ${entries + 1} of its certificate table has unknown revision ${revision}`)
    if (type !== PKCS_SIGNED_DATA)
      problems.push(`entry ${entries + 1} of its certificate table is of unknown type ${type}`)
    else signatures.push(table.subarray(at + HEADER, at + size))
    const end = at + size
    at = (end + 7) & ~7
    if (hasOtherThanZero(table.subarray(end, at))) problems.push(paddingProblem)
  }
  if (at < table.length && entries === MAX_SIGNATURES) problems.push(`it has more than ${MAX_SIGNATURES} signatures`)
  else if (at < table.length && problems.length === 0 && hasOtherThanZero(table.subarray(at)))
    problems.push(paddingProblem)
  if (signatures.length === 0 && problems.length === 0) problems.push('its certificate table holds no signature')
  const only = table.length >= HEADER ? (table.readUInt32LE(0) + 7) & ~7 : 0
  if (only !== length) {
    refusedByKexec.push('Linux accepts an image only if its certificate table has exactly one entry')
  }
  return { signatures, refusedByKexec, problems }
}

const paddingProblem = 'the padding in its certificate table is not zero'

export function hasOtherThanZero(bytes: Buffer): boolean {
  return bytes.some((byte) => byte !== 0)
}
