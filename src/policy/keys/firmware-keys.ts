import { imageSecurityVariable, variableContent } from '../../system/efi-variables.ts'
import type { Survey } from '../survey/survey.ts'
import { SHIM_GUID } from './secure-boot.ts'

/** dbx has some ten kilobytes, and firmware has little more room. */
const MAX_BYTES = 1024 * 1024

/** Signature types of the UEFI specification, "EFI_SIGNATURE_DATA", as they lie in memory. */
const CERTIFICATE = 'a159c0a5e494a74a87b5ab155c2bf072'
const IMAGE_SHA256 = '2616c4c14c509240aca941f936934328'
const certificateHashes = new Map([
  ['92a4d23bc0967940b420fcf98ef103ed', 'sha256'],
  ['6e877670c280e64eaad228b349a6865b', 'sha384'],
  ['63bf6d440225da4cbcfa2465d2b0fe9d', 'sha512'],
])

/** The entries of one signature list of the firmware or of shim. */
export interface SignatureLists {
  /** Key identifiers of the certificates, hexadecimal. */
  readonly keyIds: readonly string[]
  /** SHA-256 of images by the rules of Authenticode. */
  readonly images: readonly string[]
  /** Hashes of certificates: 'sha256:…'. */
  readonly certificates: readonly string[]
}

/** Keys and revocations of the firmware, which everyone may read. */
export interface FirmwareKeys {
  /**
   * db and the machine owner's keys: the kernel takes them into .platform or .machine when it boots under Secure Boot.
   */
  readonly trusted: SignatureLists
  /** dbx and shim's own. */
  readonly revoked: SignatureLists
}

/** Reads db, dbx and shim's lists from efivarfs. Damaged lists yield the entries before the damage. */
export function readFirmwareKeys(survey: Survey): FirmwareKeys {
  const shim = (name: string) => `/sys/firmware/efi/efivars/${name}-${SHIM_GUID}`
  return {
    trusted: join(survey, 'which keys the firmware trusts', [imageSecurityVariable('db'), shim('MokListRT')]),
    revoked: join(survey, 'which images and keys are revoked', [imageSecurityVariable('dbx'), shim('MokListXRT')]),
  }
}

function join(survey: Survey, adds: string, paths: readonly string[]): SignatureLists {
  const lists = paths.map((path) =>
    parseSignatureLists(variableContent(survey.bytes(path, adds, MAX_BYTES)) ?? Buffer.alloc(0)),
  )
  return {
    keyIds: lists.flatMap(({ keyIds }) => keyIds),
    images: lists.flatMap(({ images }) => images),
    certificates: lists.flatMap(({ certificates }) => certificates),
  }
}

const LIST_HEADER = 28
const OWNER = 16

/** Reads consecutive EFI_SIGNATURE_LISTs. */
export function parseSignatureLists(bytes: Buffer): SignatureLists {
  const keyIds: string[] = []
  const images: string[] = []
  const certificates: string[] = []
  for (let at = 0; at + LIST_HEADER <= bytes.length; ) {
    const type = bytes.toString('hex', at, at + 16)
    const [listSize, headerSize, size] = [16, 20, 24].map((field) => bytes.readUInt32LE(at + field)) as [
      number,
      number,
      number,
    ]
    if (listSize < LIST_HEADER || listSize > bytes.length - at || size <= OWNER) break
    const end = at + listSize
    for (let entry = at + LIST_HEADER + headerSize; entry + size <= end; entry += size) {
      const content = bytes.subarray(entry + OWNER, entry + size)
      const hash = certificateHashes.get(type)
      if (type === IMAGE_SHA256) images.push(content.toString('hex'))
      else if (type === CERTIFICATE) keyIds.push(...keyIdOf(content))
      // The time of revocation, 16 bytes, follows a certificate's hash.
      else if (hash !== undefined) certificates.push(`${hash}:${content.toString('hex', 0, Number(hash.slice(3)) / 8)}`)
    }
    at = end
  }
  return { keyIds, images, certificates }
}

/** Of the extension subjectKeyIdentifier: its object identifier (2.5.29.14), then an octet string in an octet string. */
const KEY_IDENTIFIER = Buffer.from('0603551d0e04', 'hex')
const OCTET_STRING = 4

/** The key identifier of a certificate, found by its own bytes: all lengths in it are short. [] when there is none. */
function keyIdOf(der: Buffer): string[] {
  const at = der.indexOf(KEY_IDENTIFIER) + KEY_IDENTIFIER.length
  if (at < KEY_IDENTIFIER.length || at + 3 > der.length) return []
  const [outer, tag, length] = [der[at], der[at + 1], der[at + 2]] as [number, number, number]
  if (tag !== OCTET_STRING || outer !== length + 2 || length > 0x7f || at + 3 + length > der.length) return []
  return [der.toString('hex', at + 3, at + 3 + length)]
}
