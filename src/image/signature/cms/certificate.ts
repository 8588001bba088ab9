import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { type Element, Fields, INTEGER, is, OCTET_STRING, readDer, SEQUENCE } from './der.ts'
import { type SignatureCertificate, Unreadable } from './report.ts'

/** A certificate with the facts needed to find it and to check a signature by it. */
export interface Certificate {
  readonly x509: X509Certificate
  readonly publicKey: KeyObject | null
  /** DER of the issuer's name, and the serial number's bytes, by which a signer names its certificate. */
  readonly issuer: Buffer
  readonly serial: Buffer
  readonly keyId: Buffer | null
  readonly authorityKeyId: Buffer | null
  readonly tbs: Buffer
}

const SUBJECT_KEY_IDENTIFIER = '2.5.29.14'
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35'

/**
 * Reads an X.509 certificate, RFC 5280, through node:crypto, except for the fields that this does not show. @throws
 * Unreadable
 */
export function readCertificate(der: Buffer): Certificate {
  const fields = new Fields(readDer(der, 'a certificate'), 'a certificate')
  const tbs = fields.required(SEQUENCE, 'contents')
  const contents = new Fields(tbs, 'a certificate')
  contents.tagged(0)
  const serial = contents.required(INTEGER, 'serial number').content
  contents.required(SEQUENCE, 'signature algorithm')
  const issuer = contents.required(SEQUENCE, 'issuer').raw
  const extensions = tbs.children.find(({ tagClass, tag }) => tagClass === 'context' && tag === 3)
  const x509 = parsed(der)
  const [keyId, authorityKeyId] = [readKeyId(extensions), readAuthorityKeyId(extensions)]
  return { x509, publicKey: publicKeyOf(x509), issuer, serial, keyId, authorityKeyId, tbs: tbs.raw }
}

function parsed(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    throw new Unreadable(`a certificate cannot be read: ${(error as Error).message}`)
  }
}

/** null where this Node does not know the kind of key. */
function publicKeyOf(x509: X509Certificate): KeyObject | null {
  try {
    return x509.publicKey
  } catch {
    return null
  }
}

function readKeyId(extensions: Element | undefined): Buffer | null {
  const inner = readExtension(extensions, SUBJECT_KEY_IDENTIFIER, "a certificate's key identifier")
  return inner !== null && is(inner, OCTET_STRING) ? inner.content : null
}

/** The key of AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0], … }; RFC 5280, 4.2.1.1. */
function readAuthorityKeyId(extensions: Element | undefined): Buffer | null {
  const inner = readExtension(extensions, AUTHORITY_KEY_IDENTIFIER, "a certificate's authority")
  const key = inner?.children.find(({ tagClass, tag }) => tagClass === 'context' && tag === 0)
  return key === undefined || key.content.length === 0 ? null : key.content
}

function readExtension(extensions: Element | undefined, oid: string, name: string): Element | null {
  const extension = extensions?.children[0]?.children.find(({ children }) => children[0]?.oid === oid)
  const value = extension?.children.at(-1)
  return value === undefined || !is(value, OCTET_STRING) ? null : readDer(value.content, name)
}

/** The certificate in plain data. @param known certificates that may include its issuer */
export function describeCertificate(certificate: Certificate, known: readonly Certificate[]): SignatureCertificate {
  const { x509, publicKey, tbs, keyId, authorityKeyId } = certificate
  return {
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    serialNumber: x509.serialNumber,
    keyId: keyId?.toString('hex') ?? null,
    authorityKeyId: authorityKeyId?.toString('hex') ?? null,
    notBefore: isoTime(x509.validFrom),
    notAfter: isoTime(x509.validTo),
    keyType: publicKey?.asymmetricKeyType ?? 'unknown',
    keyBits: publicKey?.asymmetricKeyDetails?.modulusLength ?? null,
    sha256: hashOf('sha256', x509.raw),
    tbs: { sha256: hashOf('sha256', tbs), sha384: hashOf('sha384', tbs), sha512: hashOf('sha512', tbs) },
    signatureValid: issuerSignatureHolds(x509, known),
  }
}

function issuerSignatureHolds(x509: X509Certificate, known: readonly Certificate[]): boolean | null {
  let answer: boolean | null = null
  for (const { x509: issuer, publicKey } of known) {
    try {
      if (publicKey === null || !x509.checkIssued(issuer)) continue
      if (x509.verify(publicKey)) return true
      answer = false
    } catch {
      // A key of another kind than the signature's, or a signature this Node does not know.
    }
  }
  return answer
}

/** node:crypto puts every part of a name on its own line, and escapes line breaks within one. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

/** 'Aug 18 17:32:37 2022 GMT' in ISO 8601. A date that does not exist stays as it is. */
function isoTime(text: string): string {
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? text : time.toISOString()
}

function hashOf(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex')
}
