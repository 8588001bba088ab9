import {
  constants,
  createHash,
  createVerify,
  type KeyObject,
  type Verify,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
import { type SignatureAlgorithm, signatureAlgorithms } from './algorithms.ts'
import type { SignerInfo } from './cms.ts'

/** The signed message: the available bytes, or a check computed along over more bytes than can be held. */
export type Message = Buffer | Verify

/** The result of a check; `reason` where it could not be made, or where the cause of its failure is known. */
export interface Verification {
  readonly holds: boolean | null
  readonly reason?: string
}

/** A running check over a message in pieces; undefined for algorithms that do not allow it. */
export function beginVerify(signer: SignerInfo): Verify | undefined {
  const algorithm = signatureAlgorithms.get(signer.signatureAlgorithm)
  if (algorithm === undefined || algorithm.wholeMessage) return undefined
  try {
    return createVerify(algorithm.hash ?? signer.hashAlgorithm)
  } catch {
    return undefined
  }
}

/** Whether the signature is valid under `key`. */
export function verifySignature(signer: SignerInfo, key: KeyObject, message: Message): Verification {
  const algorithm = signatureAlgorithms.get(signer.signatureAlgorithm)
  if (algorithm === undefined) {
    return { holds: null, reason: `its signature algorithm ${signer.signatureAlgorithm} is not known here` }
  }
  if (!algorithm.keyTypes.includes(key.asymmetricKeyType ?? '')) {
    const reason = `it is signed by ${algorithm.name}, but its signer's key is for ${key.asymmetricKeyType}`
    return { holds: false, reason }
  }
  try {
    return { holds: verifyWith(algorithm, signer, key, message) }
  } catch (error) {
    return { holds: null, reason: `its signature cannot be checked with this Node: ${(error as Error).message}` }
  }
}

function verifyWith(algorithm: SignatureAlgorithm, signer: SignerInfo, key: KeyObject, message: Message): boolean {
  const how: VerifyKeyObjectInput = { key }
  if (algorithm.name === 'rsa-pss') {
    how.padding = constants.RSA_PKCS1_PSS_PADDING
    how.saltLength = constants.RSA_PSS_SALTLEN_AUTO
  }
  if (!Buffer.isBuffer(message)) return message.verify(how, signer.signature)
  const hash = algorithm.wholeMessage ? null : (algorithm.hash ?? signer.hashAlgorithm)
  return verify(hash, message, how, signer.signature)
}

/** Hash of the available bytes, or null for an algorithm this Node lacks. */
export function digestOf(algorithm: string, bytes: Buffer): Buffer | null {
  try {
    return createHash(algorithm).update(bytes).digest()
  } catch {
    return null
  }
}
