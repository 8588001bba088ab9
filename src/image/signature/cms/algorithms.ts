/** Names of hash algorithms as node:crypto has them, by object identifier: RFC 5754, RFC 8702, RFC 3279. */
export const hashAlgorithms: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.5', 'md5'],
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.8', 'sha3-256'],
  ['2.16.840.1.101.3.4.2.9', 'sha3-384'],
  ['2.16.840.1.101.3.4.2.10', 'sha3-512'],
])

export interface SignatureAlgorithm {
  readonly name: string
  /** The hash that the identifier implies, or null when the signer's digest algorithm names it. */
  readonly hash: string | null
  /** The key's required `asymmetricKeyType` of node:crypto. */
  readonly keyTypes: readonly string[]
  /** Whether it signs the message itself instead of a hash, which node:crypto needs in one piece. */
  readonly wholeMessage?: boolean
}

const rsa = (hash: string | null) => ({ name: 'rsa', hash, keyTypes: ['rsa'] })
const ecdsa = (hash: string | null) => ({ name: 'ecdsa', hash, keyTypes: ['ec'] })
const whole = (name: string) => ({ name, hash: null, keyTypes: [name], wholeMessage: true })

/** By object identifier: RFC 8017, RFC 5758, RFC 8410, FIPS 204 (newer kernels sign modules with ML-DSA). */
export const signatureAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['1.2.840.113549.1.1.1', rsa(null)],
  ['1.2.840.113549.1.1.4', rsa('md5')],
  ['1.2.840.113549.1.1.5', rsa('sha1')],
  ['1.2.840.113549.1.1.14', rsa('sha224')],
  ['1.2.840.113549.1.1.11', rsa('sha256')],
  ['1.2.840.113549.1.1.12', rsa('sha384')],
  ['1.2.840.113549.1.1.13', rsa('sha512')],
  ['1.2.840.113549.1.1.10', { name: 'rsa-pss', hash: null, keyTypes: ['rsa', 'rsa-pss'] }],
  ['1.2.840.10045.2.1', ecdsa(null)],
  ['1.2.840.10045.4.1', ecdsa('sha1')],
  ['1.2.840.10045.4.3.1', ecdsa('sha224')],
  ['1.2.840.10045.4.3.2', ecdsa('sha256')],
  ['1.2.840.10045.4.3.3', ecdsa('sha384')],
  ['1.2.840.10045.4.3.4', ecdsa('sha512')],
  ['1.3.101.112', whole('ed25519')],
  ['2.16.840.1.101.3.4.3.17', whole('ml-dsa-44')],
  ['2.16.840.1.101.3.4.3.18', whole('ml-dsa-65')],
  ['2.16.840.1.101.3.4.3.19', whole('ml-dsa-87')],
])
