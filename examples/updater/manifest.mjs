import { createPublicKey, verify } from 'node:crypto'
import { UpdateError } from './errors.mjs'

/** Bytes of a signature with Ed25519 (RFC 8032). */
export const SIGNATURE_BYTES = 64

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const SHA256 = /^[0-9a-f]{64}$/

/**
 * The manifest of a version, from bytes that the publisher signed. They are not parsed before the signature is verified.
 * @returns {{ product: string, version: number, kernel: PublishedFile, initrd: PublishedFile }}
 * @typedef {{ file: string, size: number, sha256: string }} PublishedFile
 */
export function verifiedManifest(bytes, signature, { publicKey, product, maxBytes }) {
  const key = createPublicKey(publicKey)
  if (key.asymmetricKeyType !== 'ed25519') throw new UpdateError('the public key is not an Ed25519 key')
  if (signature.length !== SIGNATURE_BYTES || !verify(null, bytes, key, signature))
    throw new UpdateError('the signature of the manifest is wrong')
  const manifest = JSON.parse(bytes.toString('utf8'))
  if (manifest.schemaVersion !== 1) throw new UpdateError('the manifest has a version that this updater does not know')
  // The same key may sign for other products.
  if (manifest.product !== product) throw new UpdateError(`the manifest is for another product: ${manifest.product}`)
  if (!Number.isSafeInteger(manifest.version) || manifest.version < 1)
    throw new UpdateError('the version in the manifest is not a positive whole number')
  for (const name of ['kernel', 'initrd']) {
    const { file, size, sha256 } = manifest[name] ?? {}
    if (!FILE_NAME.test(file) || !Number.isSafeInteger(size) || size < 1 || !SHA256.test(sha256))
      throw new UpdateError(`the manifest does not describe the ${name}`)
    if (size > maxBytes) throw new UpdateError(`the ${name} has ${size} bytes, and at most ${maxBytes} are allowed`)
  }
  return manifest
}
