import { hashAlgorithms } from './algorithms.ts'
import { type Element, Fields, firstOid, INTEGER, is, OCTET_STRING, readDer, SEQUENCE, SET } from './der.ts'
import { Unreadable } from './report.ts'

/** PKCS#7 and CMS, RFC 2315 and RFC 5652: the parts of SignedData in a file's signature. */
export interface SignedData {
  /** Object identifier of the content's type. */
  readonly contentType: string
  /**
   * The signed content, or null when the signature is detached. The hash covers its contents, without tag and length.
   */
  readonly content: Element | null
  /** DER of each certificate. */
  readonly certificates: readonly Buffer[]
  readonly signers: readonly SignerInfo[]
  /** Bytes of the whole structure. */
  readonly length: number
  readonly problems: readonly string[]
}

export interface SignerInfo {
  readonly version: number
  /** DER of the issuer's name, and the serial number's bytes; null when the signer is named by key id. */
  readonly issuerAndSerial: { readonly issuer: Element; readonly serial: Buffer } | null
  readonly keyId: Buffer | null
  /** 'sha256', …, or an object identifier without a name here. */
  readonly hashAlgorithm: string
  readonly signatureAlgorithm: string
  readonly signature: Buffer
  /** Signed attributes as they are signed (RFC 5652, 5.4: with the tag of a SET), or null. */
  readonly signedBytes: Buffer | null
  readonly contentType: string | null
  readonly messageDigest: Buffer | null
  readonly signingTime: string | null
  /** Signatures within this one; Microsoft's tools put a second one there: DER each. */
  readonly nested: readonly Buffer[]
}

/** Content of no further structure, which a signature on a file covers. */
export const PKCS7_DATA = '1.2.840.113549.1.7.1'

const SIGNED_DATA = '1.2.840.113549.1.7.2'
const ATTRIBUTE_CONTENT_TYPE = '1.2.840.113549.1.9.3'
const ATTRIBUTE_MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const ATTRIBUTE_SIGNING_TIME = '1.2.840.113549.1.9.5'
const ATTRIBUTE_NESTED_SIGNATURE = '1.3.6.1.4.1.311.2.4.1'

/**
 * @throws Unreadable when it is not SignedData
 */
export function readSignedData(der: Buffer): SignedData {
  const outer = readDer(der, 'the signature')
  const contentInfo = new Fields(outer, 'the signature')
  const type = contentInfo.any('type').oid
  if (type !== SIGNED_DATA)
    throw new Unreadable(`the signature is not PKCS#7 signed data but ${type ?? 'data of no type'}`)
  const signedData = new Fields(contentInfo.tagged(0)?.children[0], "the signature's signed data")
  const problems: string[] = []
  const version = versionOf(signedData)
  const digestAlgorithms = signedData.required(SET, 'digest algorithms').children.map(algorithmName)
  const encapsulated = signedData.required(SEQUENCE, 'content')
  const contentType = firstOid(encapsulated, "the signature's content")
  const content = encapsulated.children[1]?.children[0] ?? null
  const certificates = (signedData.tagged(0)?.children ?? []).filter((child) => is(child, SEQUENCE))
  signedData.tagged(1)
  const signers = signedData.required(SET, 'signers').children.map(readSigner)
  // RFC 2315 has only version 1, RFC 5652 1 to 5; a signer's is 3 when it is named by key id, and 1 otherwise.
  const isVersionWrong = signers.some(({ version, keyId }) => version !== (keyId === null ? 1 : 3))
  if (version < 1 || version > 5 || isVersionWrong) problems.push('its PKCS#7 version does not exist')
  for (const { hashAlgorithm } of signers) {
    if (!digestAlgorithms.includes(hashAlgorithm)) problems.push(`its list of hash algorithms lacks ${hashAlgorithm}`)
  }
  return {
    contentType,
    content,
    certificates: certificates.map(({ raw }) => raw),
    signers,
    length: outer.raw.length,
    problems,
  }
}

function readSigner(element: Element): SignerInfo {
  const what = "the signature's signer"
  const fields = new Fields(element, what)
  const version = versionOf(fields)
  const keyId = fields.tagged(0)?.content ?? null
  const issuerAndSerial = keyId === null ? readIssuerAndSerial(fields.required(SEQUENCE, 'identity')) : null
  const hashAlgorithm = algorithmName(fields.required(SEQUENCE, 'hash algorithm'))
  const attributes = fields.tagged(0)
  const signatureAlgorithm = firstOid(fields.required(SEQUENCE, 'signature algorithm'), what)
  const signature = fields.required(OCTET_STRING, 'signature').content
  const unsigned = fields.tagged(1)
  return {
    version,
    issuerAndSerial,
    keyId,
    hashAlgorithm,
    signatureAlgorithm,
    signature,
    signedBytes: attributes === undefined ? null : withTag(attributes.raw, 0x31),
    contentType: attribute(attributes, ATTRIBUTE_CONTENT_TYPE)[0]?.oid ?? null,
    messageDigest: attribute(attributes, ATTRIBUTE_MESSAGE_DIGEST)[0]?.content ?? null,
    signingTime: attribute(attributes, ATTRIBUTE_SIGNING_TIME)[0]?.time ?? null,
    nested: attribute(unsigned, ATTRIBUTE_NESTED_SIGNATURE).map(({ raw }) => raw),
  }
}

function versionOf(fields: Fields): number {
  const { content } = fields.required(INTEGER, 'version')
  return content.length === 1 ? (content[0] as number) : -1
}

function readIssuerAndSerial(element: Element): { issuer: Element; serial: Buffer } {
  const fields = new Fields(element, "the signer's identity")
  return { issuer: fields.required(SEQUENCE, 'issuer'), serial: fields.required(INTEGER, 'serial number').content }
}

/** Name of the hash in an AlgorithmIdentifier, or its object identifier. @throws Unreadable */
export function algorithmName(element: Element): string {
  if (!is(element, SEQUENCE)) throw new Unreadable('the hash algorithm is not an ASN.1 sequence')
  const oid = firstOid(element, 'the hash algorithm')
  return hashAlgorithms.get(oid) ?? oid
}

/** The values of an attribute: SEQUENCE { type, SET OF value }. */
function attribute(attributes: Element | undefined, type: string): readonly Element[] {
  return attributes?.children.find((entry) => entry.children[0]?.oid === type)?.children[1]?.children ?? []
}

function withTag(raw: Buffer, tag: number): Buffer {
  const copy = Buffer.from(raw)
  copy[0] = tag
  return copy
}
