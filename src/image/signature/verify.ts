import { createHash, verify } from 'node:crypto'
import { type Certificate, type CertificateReport, certificate, isOf, verifyCertificate } from './certificates.ts'
import { NotDer } from './der.ts'
import { indirectDigest, type SignedData, SPC_INDIRECT_DATA, signedData } from './pkcs7.ts'

/** One signature of an image. What cannot be told is null; each thing that is wrong has a sentence in `problems`. */
export interface ImageSignature {
  /** 'authenticode': in a PE file's certificate table; 'module': appended, as s390 and ppc64 kernels have it. */
  readonly kind: 'authenticode' | 'module'
  /** 'sha256', …; null when the signature cannot be read. */
  readonly digestAlgorithm: string | null
  /** The digest that was signed, hexadecimal. */
  readonly digest: string | null
  /** The digest of the file as it is, hexadecimal. */
  readonly computedDigest: string | null
  readonly digestMatches: boolean | null
  /** Whether the messageDigest attribute, which is what is signed, fits the content. */
  readonly contentMatches: boolean | null
  /** Whether the signature was made with the key of `signer`; says nothing about whether that one is trusted. */
  readonly signatureValid: boolean | null
  /** The signer's certificate, when it came along. */
  readonly signer: CertificateReport | null
  readonly certificates: readonly CertificateReport[]
  /** SHA-256 of the signature's own bytes with their header and filling, hexadecimal. */
  readonly fingerprint: string
  readonly problems: readonly string[]
}

/** A signature that was read; what it says about the image is judged by what was computed over the image. */
export interface ReadSignature {
  readonly signature: ImageSignature
  /** Null when it could not be read. */
  readonly signed: SignedData | null
  readonly signer: Certificate | null
}

/** Reads the PKCS#7 bytes of a signature. Never throws. `entry`: with what surrounds them. */
export function readSignature(kind: ImageSignature['kind'], bytes: Buffer, entry: Buffer): ReadSignature {
  const blank = unread(kind, createHash('sha256').update(entry).digest('hex'))
  let signed: SignedData
  let algorithm: string
  let digest: Buffer | null = null
  try {
    signed = signedData(bytes)
    algorithm = signed.signer.digestAlgorithm
    if (kind === 'authenticode') ({ algorithm, digest } = authenticodeDigest(signed))
  } catch (cause) {
    return {
      signature: { ...blank, problems: [`the signature cannot be read: its ${reason(cause)}`] },
      signed: null,
      signer: null,
    }
  }
  const problems: string[] = []
  const certificates = readCertificates(signed, problems)
  const signer = certificates.find((candidate) => isOf(candidate, signed.signer)) ?? null
  const signature = {
    ...blank,
    digestAlgorithm: algorithm,
    digest: digest?.toString('hex') ?? null,
    signer: signer?.report ?? null,
    certificates: certificates.map(({ report }) => report),
    problems,
  }
  return { signature, signed, signer }
}

/** Completes an Authenticode signature with the digest of the file (hexadecimal). */
export function judgeAuthenticode(
  { signature, signed, signer }: ReadSignature,
  computedDigest: string | null,
): ImageSignature {
  const content = signed?.content
  if (signed === null || !content) return signature
  const problems = [...signature.problems]
  const digestMatches = computedDigest === null ? null : computedDigest === signature.digest
  if (digestMatches === false)
    problems.push('the file was changed after it was signed: its digest is not the signed one')
  const { digestAlgorithm, messageDigest, attributeContentType } = signed.signer
  const contentDigest = createHash(digestAlgorithm).update(content.content).digest()
  const contentMatches = messageDigest?.equals(contentDigest) === true && attributeContentType === signed.contentType
  if (!contentMatches) problems.push('the signed digest was changed after it was signed')
  const signatureValid = isValid(signed, signer, content.content, problems)
  return { ...signature, computedDigest, digestMatches, contentMatches, signatureValid, problems }
}

/** Completes a signature over `image`, all bytes before it. */
export function judgeDetached({ signature, signed, signer }: ReadSignature, image: Buffer): ImageSignature {
  if (signed === null) return signature
  const problems = [...signature.problems]
  const { digestAlgorithm, messageDigest } = signed.signer
  const digest = createHash(digestAlgorithm).update(image).digest()
  const matches = messageDigest === null ? null : messageDigest.equals(digest)
  if (matches === false) problems.push('the file was changed after it was signed: its digest is not the signed one')
  return {
    ...signature,
    digest: messageDigest?.toString('hex') ?? null,
    computedDigest: digest.toString('hex'),
    digestMatches: matches,
    signatureValid: isValid(signed, signer, image, problems),
    problems,
  }
}

function isValid(signed: SignedData, signer: Certificate | null, content: Buffer, problems: string[]): boolean | null {
  const { signatureAlgorithm, digestAlgorithm, signedAttributes, signature } = signed.signer
  if (signer === null) {
    problems.push("the signer's certificate did not come with the signature, so it cannot be verified")
    return null
  }
  if (!signatureAlgorithms.get(signatureAlgorithm)?.includes(digestAlgorithm)) {
    problems.push(
      `the signature algorithm (${signatureAlgorithm}) is not one that can be verified here with ${digestAlgorithm}`,
    )
    return null
  }
  let valid = false
  try {
    valid = verify(digestAlgorithm, signedAttributes ?? content, signer.x509.publicKey, signature)
  } catch {
    // A key of another kind, or one that OpenSSL refuses: nothing it could have signed.
  }
  if (!valid) problems.push(`the signature was not made with the key of its certificate (${signer.report.subject})`)
  return valid
}

const allDigests = ['sha1', 'sha256', 'sha384', 'sha512']

/** Signature algorithms, and the digests that go with each (RFC 8017, RFC 5758). */
const signatureAlgorithms: ReadonlyMap<string, readonly string[]> = new Map([
  ['1.2.840.113549.1.1.1', allDigests],
  ['1.2.840.113549.1.1.5', ['sha1']],
  ['1.2.840.113549.1.1.11', ['sha256']],
  ['1.2.840.113549.1.1.12', ['sha384']],
  ['1.2.840.113549.1.1.13', ['sha512']],
  ['1.2.840.10045.4.3.2', ['sha256']],
  ['1.2.840.10045.4.3.3', ['sha384']],
  ['1.2.840.10045.4.3.4', ['sha512']],
])

function authenticodeDigest(signed: SignedData) {
  if (signed.contentType !== SPC_INDIRECT_DATA || signed.content === null)
    throw new NotDer('content is not what Authenticode signs')
  return indirectDigest(signed.content)
}

function readCertificates(signed: SignedData, problems: string[]): Certificate[] {
  const certificates: Certificate[] = []
  signed.certificates.forEach((der, index) => {
    try {
      certificates.push(certificate(der))
    } catch {
      problems.push(`certificate ${index + 1} of the signature cannot be read`)
    }
  })
  const verified = certificates.map((one) => verifyCertificate(one, certificates))
  for (const { report } of verified) {
    if (report.signatureValid !== false) continue
    problems.push(`the certificate ${report.subject} was not signed by its issuer ${report.issuer}`)
  }
  return verified
}

function unread(kind: ImageSignature['kind'], fingerprint: string): ImageSignature {
  return {
    kind,
    digestAlgorithm: null,
    digest: null,
    computedDigest: null,
    digestMatches: null,
    contentMatches: null,
    signatureValid: null,
    signer: null,
    certificates: [],
    fingerprint,
    problems: [],
  }
}

function reason(cause: unknown): string {
  return cause instanceof NotDer ? cause.message : 'ASN.1 is damaged'
}
