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
  /** SHA-256 of the whole certificate, hexadecimal. */
  readonly fingerprint: string
}

export interface Certificate {
  readonly report: CertificateReport
  readonly x509: X509Certificate
  readonly issuer: Buffer
  readonly serial: Buffer
}

const SUBJECT_KEY_IDENTIFIER = '2.5.29.14'

/** @throws NotDer, or node:crypto's error, when it is no certificate */
export function certificate(der: Buffer): Certificate {
  const x509 = new X509Certificate(der)
  const fields = children(expectTag(children(firstElement(der))[0], tags.sequence, 'certificate'))
  if (fields[0]?.tag === tags.context0Constructed) fields.shift()
  const [serial, , issuer] = fields
  const extensions = fields.find(({ tag }) => tag === tags.context3Constructed)
  const report = {
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    serial: x509.serialNumber,
    subjectKeyId: extensions === undefined ? null : subjectKeyId(extensions),
    notBefore: isoDate(x509.validFrom),
    notAfter: isoDate(x509.validTo),
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
  return {
    report,
    x509,
    issuer: expectTag(issuer, tags.sequence, 'issuer').whole,
    serial: expectTag(serial, tags.integer, 'serial number').content,
  }
}

/** Whether the signer is the one that this certificate is for. */
export function isOf(candidate: Certificate, signer: SignerInfo): boolean {
  if (signer.subjectKeyId !== null) return candidate.report.subjectKeyId === signer.subjectKeyId.toString('hex')
  return signer.issuer?.equals(candidate.issuer) === true && signer.serial?.equals(candidate.serial) === true
}

/** Whether its own signature fits where its issuer is among `all`; null when the issuer is not there. */
export function isIssuedWithin(subject: Certificate, all: readonly Certificate[]): boolean | null {
  const issuers = all.filter(({ x509 }) => x509.subject === subject.x509.issuer)
  return issuers.length === 0 ? null : issuers.some(({ x509 }) => subject.x509.verify(x509.publicKey))
}

function subjectKeyId(extensions: DerElement): string | null {
  for (const extension of children(expectTag(children(extensions)[0], tags.sequence, 'extensions'))) {
    const parts = children(expectTag(extension, tags.sequence, 'extension'))
    if (objectIdentifier(parts[0], 'extension') !== SUBJECT_KEY_IDENTIFIER) continue
    const value = expectTag(parts.at(-1), tags.octetString, 'subject key identifier')
    return expectTag(firstElement(value.content), tags.octetString, 'subject key identifier').content.toString('hex')
  }
  return null
}

/** node:crypto puts each part of a name on a line of its own; control characters must not reach a terminal. */
function oneLine(name: string): string {
  return (name ?? '').replaceAll('\n', ', ').replace(/\p{Cc}/gu, '\ufffd')
}

function isoDate(text: string): string {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? text : date.toISOString()
}
