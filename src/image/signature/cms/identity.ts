import { type Certificate, describeCertificate, readCertificate } from './certificate.ts'
import type { SignedData, SignerInfo } from './cms.ts'
import type { Element } from './der.ts'
import { type ImageSigner, type SignatureCertificate, Unreadable } from './report.ts'

/** More certificates than any kernel signature contains; further ones are counted, not read. */
const MAX_CERTIFICATES = 16

/** The certificates in a signature; unreadable ones are problems. */
export function readCertificates(signedData: SignedData, problems: string[]): Certificate[] {
  const certificates: Certificate[] = []
  for (const der of signedData.certificates.slice(0, MAX_CERTIFICATES)) {
    try {
      certificates.push(readCertificate(der))
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      problems.push(error.message)
    }
  }
  const more = signedData.certificates.length - MAX_CERTIFICATES
  if (more > 0) problems.push(`it contains ${more} more certificates than the ${MAX_CERTIFICATES} that are read`)
  return certificates
}

/** Certificates in plain data; one that its issuer did not sign is a problem. */
export function describeCertificates(
  own: readonly Certificate[],
  known: readonly Certificate[],
  problems: string[],
): SignatureCertificate[] {
  const described = own.map((certificate) => describeCertificate(certificate, [...own, ...known]))
  for (const { subject, signatureValid } of described) {
    if (signatureValid === false)
      problems.push(`its certificate of ${subject} is damaged: it is not what its issuer signed`)
  }
  return described
}

/** The certificate that a signer names, if it is present. */
export function certificateOf(signer: SignerInfo, certificates: readonly Certificate[]): Certificate | undefined {
  return certificates.find((certificate) => {
    if (signer.keyId !== null) return certificate.keyId?.equals(signer.keyId) ?? false
    const { issuer, serial } = signer.issuerAndSerial ?? {}
    return (
      issuer !== undefined &&
      serial !== undefined &&
      certificate.issuer.equals(issuer.raw) &&
      certificate.serial.equals(serial)
    )
  })
}

export function describeSigner(signer: SignerInfo, certificate: SignatureCertificate | undefined): ImageSigner {
  const named = signer.issuerAndSerial
  return {
    subject: certificate?.subject ?? null,
    issuer: certificate?.issuer ?? (named === null ? null : nameOf(named.issuer)),
    serialNumber:
      certificate?.serialNumber ??
      named?.serial
        .toString('hex')
        .toUpperCase()
        .replace(/^(?:00)+(?=..)/, '') ??
      null,
    keyId: certificate?.keyId ?? signer.keyId?.toString('hex') ?? null,
    notBefore: certificate?.notBefore ?? null,
    notAfter: certificate?.notAfter ?? null,
  }
}

/** Short names of the parts of a name, RFC 4519; others are given by object identifier. */
const nameParts = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
])

/** A name without a certificate that node:crypto could print; escaped as there. */
function nameOf(name: Element): string {
  const parts = name.children.flatMap(({ children }) => children)
  return parts
    .map(({ children: [type, value] }) => `${nameParts.get(type?.oid ?? '') ?? type?.oid ?? '?'}=${textOf(value)}`)
    .join(', ')
}

const BMP_STRING = 30

function textOf(value: Element | undefined): string {
  if (value === undefined) return ''
  const isWide = value.tag === BMP_STRING && value.content.length % 2 === 0
  const text = isWide ? Buffer.from(value.content).swap16().toString('utf16le') : value.content.toString()
  const hex = (character: string) => (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(2, '0')
  return text.replace(/[,+"\\<>;]/g, '\\$&').replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (character) => `\\${hex(character)}`)
}
