import type { ByteSource } from '../bytes.ts'
import { type ImageSignature, judgeDetached, readSignature } from './verify.ts'

/** What ends a file with an appended signature: include/linux/module_signature.h. */
const MARK = '~Module signature appended~\n'
/** struct module_signature: algo, hash, id_type, signer_len, key_id_len, pad[3], and the length in big endian. */
const TRAILER = 12
const PKEY_ID_PKCS7 = 2
const MAX_SIGNATURE = 1 << 20
/** Without attributes, the whole file is what is signed, and node:crypto wants it in one piece. */
const MAX_IMAGE = 1 << 29

/** The signature at the end of the file, or null when there is none; what is wrong goes into `problems`. */
export function moduleSignature(source: ByteSource, problems: string[]): ImageSignature | null {
  const markAt = source.size - MARK.length
  if (markAt < TRAILER || source.read(markAt, MARK.length).toString('latin1') !== MARK) return null
  const trailer = source.read(markAt - TRAILER, TRAILER)
  if (trailer.length < TRAILER) return null
  const length = trailer.readUInt32BE(8)
  const imageSize = markAt - TRAILER - length
  // As mod_check_sig() has it: all but the type and the length is zero.
  const isPkcs7 =
    trailer[2] === PKEY_ID_PKCS7 && trailer.every((octet, index) => index === 2 || index >= 8 || octet === 0)
  if (!isPkcs7 || length > MAX_SIGNATURE || imageSize < 0 || imageSize > MAX_IMAGE) {
    problems.push('the appended module signature has a damaged trailer')
    return null
  }
  const bytes = source.read(imageSize, length)
  const entry = source.read(imageSize, length + TRAILER + MARK.length)
  const read = readSignature('module', bytes, entry)
  // Without its certificate, which is the rule, there is nothing to verify by.
  return judgeDetached(read, read.signed === null ? Buffer.alloc(0) : source.read(0, imageSize))
}
