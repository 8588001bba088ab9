import type { ByteSource } from '../../bytes/bytes.ts'
import type { Certificate } from './cms/certificate.ts'
import { algorithmName, readSignedData, type SignedData } from './cms/cms.ts'
import { type Element, Fields, OCTET_STRING, SEQUENCE } from './cms/der.ts'
import { type ImageSignature, Unreadable } from './cms/report.ts'
import { concludeSignature, unreadableSignature } from './cms/signer.ts'
import { type Checksums, checksumPe, digestPe } from './pe-digest.ts'
import type { PeLayout } from './pe-layout.ts'
import { hasOtherThanZero, readCertificateTable } from './win-certificates.ts'

/** SpcIndirectDataContent of Microsoft's "Windows Authenticode Portable Executable Signature Format". */
const SPC_INDIRECT_DATA = '1.3.6.1.4.1.311.2.1.4'

/** The Authenticode facts of a PE image, part of a SignatureReport. */
export interface Authenticode {
  readonly signatures: readonly ImageSignature[]
  readonly sha256: string | null
  readonly checksumMatches: boolean | null
  readonly refusedByKexec: readonly string[]
  readonly problems: readonly string[]
}

/** A signature that has been read and waits for the image's digest. */
interface Pending {
  readonly kind: 'authenticode' | 'nested'
  readonly signedData: SignedData
  readonly hashAlgorithm: string
  readonly digest: Buffer
  readonly problems: readonly string[]
}

/** Checks every signature in the certificate table of an image that has one. Call `loadAsn1()` first. */
export async function checkAuthenticode(
  source: ByteSource,
  layout: PeLayout,
  known: readonly Certificate[],
  signal?: AbortSignal,
): Promise<Authenticode> {
  const problems = [...layout.problems]
  if (layout.table === null || problems.length > 0) {
    const checksumMatches = await compareChecksum(source, layout, problems, signal)
    return { signatures: [], sha256: null, checksumMatches, refusedByKexec: [], problems }
  }
  const table = readCertificateTable(source, layout.table)
  problems.push(...table.problems)
  const read = table.signatures.flatMap((der) => readSignature(der, 'authenticode'))
  const algorithms = read.flatMap((entry) => ('signedData' in entry ? [entry.hashAlgorithm] : []))
  const { digests, checksum } = await digestPe(source, layout, new Set(['sha256', ...algorithms]), signal)
  const checksumMatches = checksumIs(layout.checksum, checksum, layout.table.offset)
  if (checksumMatches === false) problems.push(checksumProblem(layout.checksum, checksum.whole))
  return {
    signatures: read.map((entry) => ('signedData' in entry ? conclude(entry, digests, known) : entry)),
    sha256: digests.get('sha256')?.toString('hex') ?? null,
    checksumMatches,
    refusedByKexec: [...table.refusedByKexec, ...table.signatures.flatMap(tooLarge)],
    problems,
  }
}

/** pesign keeps the checksum from before the signing, and appends up to 7 zero bytes: the checksum is then unknown. */
function checksumIs(stored: number, { whole, unsigned }: Checksums, tableOffset: number): boolean | null {
  if (stored === 0) return null
  if (stored === whole) return true
  for (let padding = 0; padding < 8; padding++) if (stored === unsigned(tableOffset - padding)) return null
  return false
}

async function compareChecksum(source: ByteSource, layout: PeLayout, problems: string[], signal?: AbortSignal) {
  if (layout.checksum === 0 || layout.table === null) return null
  const checksum = await checksumPe(source, layout.checksumOffset, signal)
  if (checksum !== layout.checksum) problems.push(checksumProblem(layout.checksum, checksum))
  return checksum === layout.checksum
}

function checksumProblem(stored: number, computed: number): string {
  const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`
  return `its PE checksum is ${hex(computed)}, where its header has ${hex(stored)}: a byte was changed since it was signed`
}

/** verify_pefile.c reads the length of the PKCS#7 message in at most two bytes (EMSGSIZE). */
function tooLarge(der: Buffer): string[] {
  const isTooLarge = der.length > 1 && (der[1] as number) >= 0x83
  return isTooLarge ? ['the signature is larger than the 64 KiB that Linux accepts'] : []
}

/** A signature and those within it, one level deep. */
function readSignature(der: Buffer, kind: Pending['kind']): (Pending | ImageSignature)[] {
  try {
    const signedData = readSignedData(der)
    const { hashAlgorithm, digest } = readIndirectData(signedData)
    const problems = [...signedData.problems, ...trailingProblems(der, signedData)]
    const nested = kind === 'nested' ? [] : signedData.signers.flatMap((signer) => signer.nested).slice(0, MAX_NESTED)
    const inner = nested.flatMap((bytes) => readSignature(bytes, 'nested'))
    return [{ kind, signedData, hashAlgorithm, digest, problems }, ...inner]
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return [unreadableSignature(kind, error.message)]
  }
}

const MAX_NESTED = 8

function trailingProblems(der: Buffer, { length }: SignedData): string[] {
  return hasOtherThanZero(der.subarray(length)) ? [`${der.length - length} bytes follow it that are not padding`] : []
}

/** SEQUENCE { data, SEQUENCE { SEQUENCE { hash algorithm }, OCTET STRING digest } } */
function readIndirectData({ contentType, content }: SignedData): { hashAlgorithm: string; digest: Buffer } {
  if (contentType !== SPC_INDIRECT_DATA)
    throw new Unreadable(`the signature is not of a PE image but of ${contentType}`)
  const what = "the signature's content"
  const fields = new Fields(content ?? undefined, what)
  fields.required(SEQUENCE, 'type')
  const digestInfo: Element = fields.required(SEQUENCE, 'digest')
  const digest = new Fields(digestInfo, what)
  return {
    hashAlgorithm: algorithmName(digest.required(SEQUENCE, 'hash algorithm')),
    digest: digest.required(OCTET_STRING, 'digest').content,
  }
}

function conclude(
  pending: Pending,
  digests: ReadonlyMap<string, Buffer>,
  known: readonly Certificate[],
): ImageSignature {
  const { kind, signedData, hashAlgorithm, digest, problems } = pending
  return concludeSignature({
    kind,
    signedData,
    hashAlgorithm,
    digest,
    computedDigest: digests.get(hashAlgorithm) ?? null,
    content: signedData.content?.content ?? Buffer.alloc(0),
    known,
    problems,
  })
}
