import { children, type DerElement, expectTag, firstElement, NotDer, objectIdentifier, tags } from './der.ts'

/** What a PKCS#7 SignedData (RFC 2315, RFC 5652) with one signer holds. */
export interface SignedData {
  /** Object identifier of what is signed. */
  readonly contentType: string
  /** The signed content; null when it lies outside (a detached signature). */
  readonly content: DerElement | null
  readonly certificates: readonly Buffer[]
  readonly signer: SignerInfo
}

export interface SignerInfo {
  /** The signer's certificate is named by its issuer (DER) and serial number, or by its subject key identifier. */
  readonly issuer: Buffer | null
  readonly serial: Buffer | null
  readonly subjectKeyId: Buffer | null
  /** Name as node:crypto has it. */
  readonly digestAlgorithm: string
  readonly signatureAlgorithm: string
  /** What the signature covers where there are attributes: their DER as a SET; else null. */
  readonly signedAttributes: Buffer | null
  readonly messageDigest: Buffer | null
  /** Object identifier in the contentType attribute. */
  readonly attributeContentType: string | null
  readonly signature: Buffer
  readonly hasUnsignedAttributes: boolean
}

export const SIGNED_DATA = '1.2.840.113549.1.7.2'
export const SPC_INDIRECT_DATA = '1.3.6.1.4.1.311.2.1.4'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const MAX_CERTIFICATES = 32

const digestNames: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/** Reads a ContentInfo that holds SignedData. `bytes` may have zeros behind it, and nothing else. @throws NotDer */
export function signedData(bytes: Buffer): SignedData {
  const info = expectTag(firstElement(bytes), tags.sequence, 'PKCS#7 structure')
  if (bytes.subarray(info.whole.length).some((octet) => octet !== 0))
    throw new NotDer('PKCS#7 structure is followed by other bytes')
  const [type, explicit, ...others] = children(info)
  if (objectIdentifier(type, 'content type') !== SIGNED_DATA) throw new NotDer('PKCS#7 structure is no SignedData')
  const sequence = expectTag(
    only(expectTag(explicit, tags.context0Constructed, 'SignedData')),
    tags.sequence,
    'SignedData',
  )
  const parts = children(sequence)
  const version = expectTag(parts.shift(), tags.integer, 'version').content
  if (version.length !== 1 || ![1, 3].includes(version[0] as number))
    throw new NotDer('PKCS#7 structure has an unknown version')
  const algorithms = children(expectTag(parts.shift(), tags.set, 'set of digest algorithms')).map(digestAlgorithm)
  const [contentType, content, ...rest] = children(expectTag(parts.shift(), tags.sequence, 'content'))
  const certificates = parts[0]?.tag === tags.context0Constructed ? children(parts.shift() as DerElement) : []
  if (parts[0]?.tag === tags.context1Constructed) parts.shift()
  const signers = children(expectTag(parts.shift(), tags.set, 'set of signers'))
  if (others.length + rest.length + parts.length > 0)
    throw new NotDer('PKCS#7 structure has parts that it should not have')
  if (signers.length !== 1) throw new NotDer(`PKCS#7 structure has ${signers.length} signers instead of one`)
  if (certificates.length > MAX_CERTIFICATES)
    throw new NotDer(`PKCS#7 structure has ${certificates.length} certificates`)
  const signer = signerInfo(signers[0] as DerElement)
  if (algorithms.length !== 1 || algorithms[0] !== signer.digestAlgorithm)
    throw new NotDer('digest algorithms contradict each other')
  return {
    contentType: objectIdentifier(contentType, 'content type'),
    content: content === undefined ? null : only(expectTag(content, tags.context0Constructed, 'content')),
    certificates: certificates.map(({ whole }) => whole),
    signer,
  }
}

/** The digest algorithm and the digest of SpcIndirectDataContent (the Authenticode specification). @throws NotDer */
export function indirectDigest(content: DerElement): { algorithm: string; digest: Buffer } {
  const [, digestInfo, ...others] = children(expectTag(content, tags.sequence, 'SpcIndirectDataContent'))
  const [algorithm, digest, ...rest] = children(expectTag(digestInfo, tags.sequence, 'digest'))
  if (others.length + rest.length > 0) throw new NotDer('SpcIndirectDataContent has parts that it should not have')
  return {
    algorithm: digestAlgorithm(expectTag(algorithm, tags.sequence, 'digest algorithm')),
    digest: expectTag(digest, tags.octetString, 'digest').content,
  }
}

function signerInfo(element: DerElement): SignerInfo {
  const parts = children(expectTag(element, tags.sequence, 'signer'))
  const version = expectTag(parts.shift(), tags.integer, 'version').content
  const identifier = parts.shift()
  const byKey = identifier?.tag === tags.context0
  if (version.length !== 1 || version[0] !== (byKey ? 3 : 1)) throw new NotDer('signer has an unknown version')
  const [issuer, serial] = byKey ? [] : children(expectTag(identifier, tags.sequence, 'issuer and serial number'))
  const digest = digestAlgorithm(parts.shift())
  const attributes = parts[0]?.tag === tags.context0Constructed ? (parts.shift() as DerElement) : null
  const [signatureAlgorithm] = algorithmIdentifier(parts.shift())
  const signature = expectTag(parts.shift(), tags.octetString, 'signature').content
  const hasUnsignedAttributes = parts[0]?.tag === tags.context1Constructed
  if (parts.length > (hasUnsignedAttributes ? 1 : 0)) throw new NotDer('signer has parts that it should not have')
  const type = attributes === null ? null : attributeValue(attributes, CONTENT_TYPE)
  const message = attributes === null ? null : attributeValue(attributes, MESSAGE_DIGEST)
  return {
    issuer: byKey ? null : expectTag(issuer, tags.sequence, 'issuer').whole,
    serial: byKey ? null : expectTag(serial, tags.integer, 'serial number').content,
    subjectKeyId: byKey ? (identifier?.content ?? null) : null,
    digestAlgorithm: digest,
    signatureAlgorithm,
    // RFC 5652, 5.4: they are signed with the tag of a SET in place of [0].
    signedAttributes: attributes && Buffer.concat([Buffer.from([tags.set]), attributes.whole.subarray(1)]),
    messageDigest: message && expectTag(message, tags.octetString, 'messageDigest').content,
    attributeContentType: type && objectIdentifier(type, 'content type'),
    signature,
    hasUnsignedAttributes,
  }
}

function attributeValue(attributes: DerElement, wanted: string): DerElement | null {
  const values = children(attributes).flatMap((attribute) => {
    const [type, value] = children(expectTag(attribute, tags.sequence, 'attribute'))
    return objectIdentifier(type, 'attribute type') === wanted
      ? [only(expectTag(value, tags.set, 'attribute value'))]
      : []
  })
  if (values.length > 1) throw new NotDer('signer has the same attribute twice')
  return values[0] ?? null
}

function digestAlgorithm(element: DerElement | undefined): string {
  const [identifier] = algorithmIdentifier(element)
  const name = digestNames.get(identifier)
  if (name === undefined) throw new NotDer(`digest algorithm (${identifier}) is not known`)
  return name
}

/** Its parameters are absent or NULL in all that is known here, except for RSA-PSS. */
function algorithmIdentifier(element: DerElement | undefined): [identifier: string] {
  const [identifier, parameters, ...others] = children(expectTag(element, tags.sequence, 'algorithm'))
  const isNull = parameters === undefined || (parameters.tag === tags.null && parameters.content.length === 0)
  const name = objectIdentifier(identifier, 'algorithm')
  if (others.length > 0 || !(isNull || name === '1.2.840.113549.1.1.10'))
    throw new NotDer('algorithm has unexpected parameters')
  return [name]
}

function only(element: DerElement): DerElement {
  const [child, ...others] = children(element)
  if (child === undefined || others.length > 0)
    throw new NotDer('ASN.1 has not exactly one element where one is expected')
  return child
}
