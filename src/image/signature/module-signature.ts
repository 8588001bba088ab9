import { type ByteSource, partOf } from '../../bytes/bytes.ts'
import type { Certificate } from './cms/certificate.ts'
import { PKCS7_DATA, readSignedData } from './cms/cms.ts'
import { type ImageSignature, Unreadable } from './cms/report.ts'
import { concludeSignature, unreadableSignature } from './cms/signer.ts'
import { chunksOf } from './cms/stream.ts'
import { beginVerify } from './cms/verify.ts'
import { createHashes } from './pe-digest.ts'
import { hasOtherThanZero } from './win-certificates.ts'

/** A signature appended to a file, as scripts/sign-file.c does; include/linux/module_signature.h. */
export interface AppendedSignature {
  /** The signed bytes: the file without the signature. */
  readonly body: ByteSource
  /** The PKCS#7 bytes, or null where the signature is of another kind or damaged. */
  readonly der: Buffer | null
  readonly problems: readonly string[]
}

const MARK = '~Module signature appended~\n'
const TRAILER = 12
const PKCS7 = 2
const idTypes = ['PGP', 'X.509', 'PKCS#7']

/** The most bytes of a signature that are read; one has a few hundred. */
const MAX_SIGNATURE = 256 * 1024

/** The appended signature, or undefined when the file does not end with its mark. */
export function readAppendedSignature(source: ByteSource): AppendedSignature | undefined {
  const markStart = source.size - MARK.length
  if (markStart < 0 || source.read(markStart, MARK.length).toString('latin1') !== MARK) return undefined
  const bodyOfAll = partOf(source, 0, markStart)
  const failed = (problem: string) => ({ body: bodyOfAll, der: null, problems: [problem] })
  const trailerStart = markStart - TRAILER
  if (trailerStart < 0) return failed('it ends with the mark of a module signature, but has none')
  const trailer = source.read(trailerStart, TRAILER)
  if (trailer.length < TRAILER) return failed('the file became shorter while it was read')
  const idType = trailer[2] as number
  const length = trailer.readUInt32BE(8)
  if (length > trailerStart) {
    return failed(`its module signature has ${length} bytes by its own account, more than the file before it`)
  }
  const body = partOf(source, 0, trailerStart - length)
  if (idType !== PKCS7) {
    return { body, der: null, problems: [`its module signature is of kind ${idTypes[idType] ?? idType}, not PKCS#7`] }
  }
  if (length > MAX_SIGNATURE) {
    return { body, der: null, problems: [`its module signature of ${length} bytes is larger than any signature`] }
  }
  // kernel/module_signature.c requires all of them to be zero: the PKCS#7 message has their former contents.
  const others = [0, 1, 3, 4, 5, 6, 7].some((index) => trailer[index] !== 0)
  const problems = others ? ['the trailer of its module signature has fields set that have to be zero'] : []
  return { body, der: source.read(trailerStart - length, length), problems }
}

/** Checks a signature appended to a file: PKCS#7 over the whole file before it. Call `loadAsn1()` first. */
export async function checkAppendedSignature(
  appended: AppendedSignature,
  known: readonly Certificate[],
  signal?: AbortSignal,
): Promise<ImageSignature> {
  const { der, body } = appended
  if (der === null) return unreadableSignature('module', ...appended.problems)
  try {
    const signedData = readSignedData(der)
    const problems = [...appended.problems, ...signedData.problems]
    if (hasOtherThanZero(der.subarray(signedData.length))) problems.push('bytes follow it that are not padding')
    if (signedData.contentType !== PKCS7_DATA) problems.push(`it is not of a file but of ${signedData.contentType}`)
    const signer = signedData.signers[0]
    const hashAlgorithm = signer?.hashAlgorithm ?? 'sha256'
    const hash = createHashes([hashAlgorithm]).get(hashAlgorithm)
    // Without attributes the signature covers the file itself; with them, it covers attributes that contain the file's
    // digest.
    const verify = signer?.signedBytes === null ? beginVerify(signer) : undefined
    for await (const bytes of chunksOf(body, 0, body.size, signal)) {
      hash?.update(bytes)
      verify?.update(bytes)
    }
    return concludeSignature({
      kind: 'module',
      signedData,
      hashAlgorithm,
      digest: signer?.messageDigest ?? null,
      computedDigest: hash?.digest() ?? null,
      content: verify ?? null,
      known,
      problems,
    })
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return unreadableSignature('module', error.message, ...appended.problems)
  }
}
