import { heed } from '../../abort.ts'
import type { ByteSource } from '../../bytes/bytes.ts'
import { type Authenticode, checkAuthenticode } from './authenticode.ts'
import { type Certificate, readCertificate } from './cms/certificate.ts'
import { loadAsn1 } from './cms/der.ts'
import { type ImageSignature, type SignatureReport, type SignatureVerdict, Unreadable } from './cms/report.ts'
import { checkAppendedSignature, readAppendedSignature } from './module-signature.ts'
import { readPeLayout } from './pe-layout.ts'

export interface SignatureOptions {
  /** Certificates (DER) for checking a signature that carries none, such as those on kernel modules. */
  readonly certificates?: readonly Uint8Array[]
  readonly signal?: AbortSignal
}

/**
 * Reports an image's signatures, their signers, and whether they match its bytes: Authenticode of any PE image (x86 and
 * arm64 kernels with an EFI stub, UKIs, EFI zboot), and a signature appended as on kernel modules (s390 and ppc64
 * kernels). A signed image is read once, in pieces; of an unsigned one only small parts are read. Any bytes get an
 * answer. Whether anyone trusts the signer is not asked here.
 * @throws Node's error of read(2), and the signal's reason; nothing else
 */
export async function inspectSignatures(source: ByteSource, options: SignatureOptions = {}): Promise<SignatureReport> {
  const { signal } = options
  heed(signal)
  const appended = readAppendedSignature(source)
  const body = appended?.body ?? source
  const reading = readPeLayout(body)
  const hasTable = reading !== undefined && 'layout' in reading && reading.layout.table !== null
  if (appended === undefined && !hasTable) return withoutSignature(reading)
  await loadAsn1()
  const problems: string[] = []
  const known = readKnown(options.certificates ?? [], problems)
  const signatures: ImageSignature[] = []
  let authenticode: Authenticode | undefined
  try {
    if (hasTable) authenticode = await checkAuthenticode(body, reading.layout, known, signal)
    signatures.push(...(authenticode?.signatures ?? []))
    if (appended !== undefined) signatures.push(await checkAppendedSignature(appended, known, signal))
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    problems.push(error.message)
  }
  problems.push(...(authenticode?.problems ?? []))
  return {
    present: true,
    verdict: verdictOf(signatures, problems),
    signatures,
    authenticodeSha256: authenticode?.sha256 ?? null,
    checksumMatches: authenticode?.checksumMatches ?? null,
    refusedByKexec: authenticode?.refusedByKexec ?? [],
    problems,
  }
}

/** No signature is visible, but where headers are damaged, one may have been there. */
function withoutSignature(reading: ReturnType<typeof readPeLayout>): SignatureReport {
  const damage = reading === undefined ? [] : 'problem' in reading ? [reading.problem] : reading.layout.problems
  return {
    present: false,
    verdict: damage.length > 0 ? 'damaged' : 'unsigned',
    signatures: [],
    authenticodeSha256: null,
    checksumMatches: null,
    refusedByKexec: [],
    problems: damage,
  }
}

function readKnown(certificates: readonly Uint8Array[], problems: string[]): Certificate[] {
  return certificates.flatMap((der) => {
    try {
      return [readCertificate(Buffer.from(der.buffer, der.byteOffset, der.byteLength))]
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      problems.push(`of the certificates to check with, ${error.message}`)
      return []
    }
  })
}

function verdictOf(signatures: readonly ImageSignature[], problems: readonly string[]): SignatureVerdict {
  if (problems.length > 0 || signatures.some((signature) => signature.problems.length > 0)) return 'damaged'
  return signatures.every(({ signatureValid }) => signatureValid === true) ? 'intact' : 'unverified'
}
