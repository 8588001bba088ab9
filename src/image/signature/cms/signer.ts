import type { Verify } from 'node:crypto'
import { signatureAlgorithms } from './algorithms.ts'
import { type Certificate, describeCertificate } from './certificate.ts'
import type { SignedData, SignerInfo } from './cms.ts'
import { certificateOf, describeCertificates, describeSigner, readCertificates } from './identity.ts'
import type { ImageSignature } from './report.ts'
import { digestOf, type Message, type Verification, verifySignature } from './verify.ts'

/** A signature with all facts needed to verify it. */
export interface Claim {
  readonly kind: ImageSignature['kind']
  readonly signedData: SignedData
  /** Of the image's digest. */
  readonly hashAlgorithm: string
  /** The image's digest as the signature has it. */
  readonly digest: Buffer | null
  readonly computedDigest: Buffer | null
  /**
   * The signed content, or the check that was computed along the way; null for a detached content that is too large to
   * hold.
   */
  readonly content: Buffer | Verify | null
  /** Certificates besides those in the signature. */
  readonly known: readonly Certificate[]
  /** The faults found so far. */
  readonly problems: readonly string[]
}

/** Compares a signature's claims with the facts. */
export function concludeSignature(claim: Claim): ImageSignature {
  const { kind, signedData, hashAlgorithm, digest, computedDigest, known } = claim
  const problems = [...claim.problems]
  const unchecked: string[] = []
  const own = readCertificates(signedData, problems)
  const certificates = describeCertificates(own, known, problems)
  if (signedData.signers.length !== 1) problems.push(`it has ${signedData.signers.length} signers instead of one`)
  const signer = signedData.signers[0]
  const certificate = signer && certificateOf(signer, [...own, ...known])
  const { holds, reason } = signer === undefined ? unknown : verifySigner(claim, signer, certificate)
  if (holds === false) problems.push(reason ?? "it does not hold under its signer's key")
  else if (reason !== undefined) unchecked.push(reason)
  const digestMatches = digest === null || computedDigest === null ? null : digest.equals(computedDigest)
  if (digestMatches === false) problems.push(mismatch(hashAlgorithm, digest as Buffer, computedDigest as Buffer))
  if (computedDigest === null) unchecked.push(`the digest ${hashAlgorithm} cannot be computed with this Node`)
  return {
    kind,
    hashAlgorithm,
    digest: digest?.toString('hex') ?? null,
    computedDigest: computedDigest?.toString('hex') ?? null,
    digestMatches,
    signatureAlgorithm: signer
      ? (signatureAlgorithms.get(signer.signatureAlgorithm)?.name ?? signer.signatureAlgorithm)
      : null,
    signatureValid: holds,
    signer: signer ? describeSigner(signer, certificate && describeCertificate(certificate, [...own, ...known])) : null,
    signingTime: signer?.signingTime ?? null,
    certificates,
    unchecked,
    problems,
  }
}

const unknown: Verification = { holds: null }

/**
 * RFC 5652, 5.4: attributes, if any, are signed and contain the content's type and digest; else the content itself is
 * signed.
 */
function verifySigner(
  { kind, signedData, content }: Claim,
  signer: SignerInfo,
  certificate: Certificate | undefined,
): Verification {
  if (signer.signedBytes !== null && kind !== 'module' && Buffer.isBuffer(content)) {
    const contentDigest = digestOf(signer.hashAlgorithm, content)
    if (contentDigest === null)
      return { holds: null, reason: `its hash ${signer.hashAlgorithm} is not known to this Node` }
    if (!signer.messageDigest?.equals(contentDigest)) {
      return { holds: false, reason: 'its content is not the one that was signed' }
    }
  }
  if (signer.signedBytes !== null && signer.contentType !== signedData.contentType) {
    return { holds: false, reason: 'the type of its content is not the one that was signed' }
  }
  if (certificate === undefined) {
    return {
      holds: null,
      reason: "it does not contain its signer's certificate, so it can only be verified with a keyring that has it",
    }
  }
  if (certificate.publicKey === null)
    return { holds: null, reason: "its signer's key is of a kind this Node does not know" }
  const message: Message | null = signer.signedBytes ?? content
  if (message === null) return { holds: null, reason: 'its algorithm signs whole files, which is not checked here' }
  return verifySignature(signer, certificate.publicKey, message)
}

function mismatch(algorithm: string, signed: Buffer, computed: Buffer): string {
  const text = (digest: Buffer) => digest.toString('hex')
  return `the image is not the one that was signed: its ${algorithm} digest is ${text(computed)}, and ${text(signed)} was signed`
}

/** A signature that could not be read at all. */
export function unreadableSignature(kind: ImageSignature['kind'], ...problems: string[]): ImageSignature {
  return {
    kind,
    hashAlgorithm: null,
    digest: null,
    computedDigest: null,
    digestMatches: null,
    signatureAlgorithm: null,
    signatureValid: null,
    signer: null,
    signingTime: null,
    certificates: [],
    unchecked: [],
    problems,
  }
}
