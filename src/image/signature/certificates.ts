import { X509Certificate } from 'node:crypto'
import { children, type DerElement, expectTag, firstElement, objectIdentifier, tags } from './der.ts'
import type { SignerInfo } from './pkcs7.ts'

/** An X.509 certificate that came with a signature. That it is trusted is not said: there is nothing to trust it by. */
export interface CertificateReport {
  /** One line each, as in 'CN=Debian Secure Boot CA'. */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal, capital letters. */
  readonly serial: string
  /** Hexadecimal; null when the certificate has no such extension. */
  readonly subjectKeyId: string | null
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
  /**
   * Whether its issuer signed it; null when the issuer's certificate did not come along, as is common: a change of, say, its
   * dates then shows in `fingerprint` alone.
   */
  readonly signatureValid: boolean | null
  /** SHA-256 of the whole certificate, hexadecimal. */
  readonly fingerprint: string
}

export interface Certificate {
  /** `signatureValid` is not known before all certificates are. */
  readonly report: CertificateReport
  readonly x509: X509Certificate
  readonly issuer: Buffer
  readonly serial: Buffer
  /** Of the issuer, hexadecimal. */
  readonly authorityKeyId: string | null
}

const SUBJECT_KEY_IDENTIFIER = '2.5.29.14'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'

/** @throws NotDer, or node:crypto's error, when it is no certificate */
export function certificate(der: Buffer): Certificate {
  const x509 = new X509Certificate(der)
  const fields = children(expectTag(children(firstElement(der))[0], tags.sequence, 'certificate'))
  if (fields[0]?.tag === tags.context0Constructed) fields.shift()
  const [serial, , issuer] = fields
  const extensions = extensionValues(fields.find(({ tag }) => tag === tags.context3Constructed))
  const keyId = extensions.get(SUBJECT_KEY_IDENTIFIER)
  const authority = extensions.get(AUTHORITY_KEY_IDENTIFIER)
  const report = {
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    serial: x509.serialNumber,
    subjectKeyId:
      keyId === undefined ? null : expectTag(keyId, tags.octetString, 'key identifier').content.toString('hex'),
    notBefore: isoDate(x509.validFrom),
    notAfter: isoDate(x509.validTo),
    signatureValid: null,
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
  return {
    report,
    x509,
    issuer: expectTag(issuer, tags.sequence, 'issuer').whole,
    serial: expectTag(serial, tags.integer, 'serial number').content,
    authorityKeyId: authority === undefined ? null : authorityKey(authority),
  }
}

/** Whether the signer is the one that this certificate is for. */
export function isOf(candidate: Certificate, signer: SignerInfo): boolean {
  if (signer.subjectKeyId !== null) return candidate.report.subjectKeyId === signer.subjectKeyId.toString('hex')
  return signer.issuer?.equals(candidate.issuer) === true && signer.serial?.equals(candidate.serial) === true
}

/**
 * The certificate with its signature verified by its issuer's key, where the issuer is among `all`. The issuer is sought by
 * name and by key identifier: where one of both was changed, the other still leads there.
 */
export function verifyCertificate(subject: Certificate, all: readonly Certificate[]): Certificate {
  const issuers = all.filter(
    ({ x509, report }) =>
      x509.subject === subject.x509.issuer ||
      (subject.authorityKeyId !== null && subject.authorityKeyId === report.subjectKeyId),
  )
  const signatureValid = issuers.length === 0 ? null : issuers.some((issuer) => isSignedBy(subject, issuer))
  return { ...subject, report: { ...subject.report, signatureValid } }
}

function isSignedBy(subject: Certificate, issuer: Certificate): boolean {
  try {
    return subject.x509.verify(issuer.x509.publicKey)
  } catch {
    // A key that OpenSSL refuses, or of another kind, has signed nothing.
    return false
  }
}

/** The extensions' values by their object identifiers. */
function extensionValues(extensions: DerElement | undefined): Map<string, DerElement> {
  const values = new Map<string, DerElement>()
  if (extensions === undefined) return values
  for (const extension of children(expectTag(children(extensions)[0], tags.sequence, 'extensions'))) {
    const parts = children(expectTag(extension, tags.sequence, 'extension'))
    const value = expectTag(parts.at(-1), tags.octetString, 'extension value').content
    if (value.length > 0) values.set(objectIdentifier(parts[0], 'extension'), firstElement(value))
  }
  return values
}

/** RFC 5280, 4.2.1.1: the key identifier is the first of three optional parts. */
function authorityKey(authority: DerElement): string | null {
  const [first] = children(expectTag(authority, tags.sequence, 'authority key identifier'))
  return first?.tag === tags.context0 ? first.content.toString('hex') : null
}

/** node:crypto puts each part of a name on a line of its own; control characters must not reach a terminal. */
function oneLine(name: string): string {
  return (name ?? '').replaceAll('\n', ', ').replace(/\p{Cc}/gu, '\ufffd')
}

function isoDate(text: string): string {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? text : date.toISOString()
}
