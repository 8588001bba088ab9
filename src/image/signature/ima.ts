import { getSystemErrorName } from 'node:util'
import { native } from '../../native.ts'

/** The content of a file's security.ima; security/integrity/integrity.h of the kernel. */
export interface ImaAttribute {
  /**
   * 'signature' of the file's hash, or of its fs-verity digest; 'hash' without a signature; 'unknown' for any other
   * form.
   */
  readonly kind: 'signature' | 'verity-signature' | 'hash' | 'unknown'
  readonly hashAlgorithm: string | null
  /** The file's hash, hexadecimal; null for signatures, which contain it only inside. */
  readonly digest: string | null
  /** The last four bytes of the signer's subject key identifier, hexadecimal; null for an unsigned file. */
  readonly keyId: string | null
  /** Length of the signature, bytes. */
  readonly signatureSize: number | null
  readonly problems: readonly string[]
}

/** enum hash_algo of include/uapi/linux/hash_info.h. */
const hashes = ['md4', 'md5', 'sha1', 'rmd160', 'sha256', 'sha384', 'sha512', 'sha224', 'rmd128', 'rmd256', 'rmd320']
hashes.push('wp256', 'wp384', 'wp512', 'tgr128', 'tgr160', 'tgr192', 'sm3', 'streebog256', 'streebog512')
hashes.push('sha3-256', 'sha3-384', 'sha3-512')

const DIGEST = 1
const SIGNATURE = 3
const DIGEST_WITH_ALGORITHM = 4
const VERITY_SIGNATURE = 6
const SIGNATURE_HEADER = 9

const nothing: ImaAttribute = {
  kind: 'unknown',
  hashAlgorithm: null,
  digest: null,
  keyId: null,
  signatureSize: null,
  problems: [],
}

/**
 * Reads security.ima of an open file, which needs no privilege. The signature is not verified: its key is in the kernel.
 * @returns null when the file has none, or its file system has no such attributes
 * @throws KexecError 'native-missing'; Error with `code` when the kernel refuses
 */
export function readImaAttribute(fd: number): ImaAttribute | null {
  const answer = native().getAttribute(fd, 'security.ima')
  if (typeof answer === 'string') return parseImaAttribute(Buffer.from(answer, 'latin1'))
  const code = getSystemErrorName(answer)
  if (code === 'ENODATA' || code === 'EOPNOTSUPP' || code === 'ENOTSUP') return null
  throw Object.assign(new Error(`security.ima could not be read: ${code}`), {
    code,
    errno: answer,
    syscall: 'fgetxattr',
  })
}

/** Identifies the form of security.ima's bytes. */
export function parseImaAttribute(bytes: Buffer): ImaAttribute {
  if (bytes.length === 0) return wrong('security.ima is empty')
  switch (bytes[0]) {
    case DIGEST:
      return hash(bytes.length === 17 ? 'md5' : 'sha1', bytes.subarray(1))
    case DIGEST_WITH_ALGORITHM:
      return bytes.length < 2
        ? wrong('security.ima ends before its hash')
        : hash(algorithmAt(bytes, 1), bytes.subarray(2))
    case SIGNATURE:
      return signature('signature', bytes)
    case VERITY_SIGNATURE:
      return signature('verity-signature', bytes)
    default:
      return wrong(`security.ima is of unknown type ${bytes[0]}`)
  }
}

function hash(hashAlgorithm: string, digest: Buffer): ImaAttribute {
  return { ...nothing, kind: 'hash', hashAlgorithm, digest: digest.toString('hex') }
}

/** struct signature_v2_hdr: type, version, hash algorithm, key id (4), size (2), signature; numbers are big-endian. */
function signature(kind: 'signature' | 'verity-signature', bytes: Buffer): ImaAttribute {
  if (bytes.length < SIGNATURE_HEADER) return wrong('security.ima ends inside the header of its signature')
  const version = bytes[1] as number
  if (version !== 2 && version !== 3) return wrong(`the signature in security.ima is of version ${version}, not 2 or 3`)
  const size = bytes.readUInt16BE(7)
  const rest = bytes.length - SIGNATURE_HEADER
  const problems = size === rest ? [] : [`the signature in security.ima has ${rest} bytes instead of ${size}`]
  return {
    ...nothing,
    kind,
    hashAlgorithm: algorithmAt(bytes, 2),
    keyId: bytes.toString('hex', 3, 7),
    signatureSize: size,
    problems,
  }
}

function algorithmAt(bytes: Buffer, offset: number): string {
  const number = bytes[offset] as number
  return hashes[number] ?? `number ${number}`
}

function wrong(problem: string): ImaAttribute {
  return { ...nothing, problems: [problem] }
}
