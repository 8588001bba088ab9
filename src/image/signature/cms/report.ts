/** A certificate as it lies in a signature. Nothing here says that anyone trusts it. */
export interface SignatureCertificate {
  /** In the order of the certificate, as `openssl x509 -nameopt oneline` has it: 'C=DE, O=Example, CN=Kernel signer'. */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal, upper case, as OpenSSL prints it. */
  readonly serialNumber: string
  /** Subject key identifier, hexadecimal, lower case: what /proc/keys shows of a key. null when the certificate has none. */
  readonly keyId: string | null
  /** Key identifier of its issuer, by which the kernel finds a trusted one; null when the certificate names none. */
  readonly authorityKeyId: string | null
  /** ISO 8601. Linux checks neither date when it verifies a kernel. */
  readonly notBefore: string
  readonly notAfter: string
  /** 'rsa', 'ec', 'ed25519', … */
  readonly keyType: string
  /** Length of an RSA modulus, bits; null for other keys. */
  readonly keyBits: number | null
  /** SHA-256 of the whole certificate, hexadecimal. */
  readonly sha256: string
  /** Hashes of what its issuer signed (TBSCertificate), hexadecimal: by these dbx and the kernel's blacklist name a certificate. */
  readonly tbs: { readonly sha256: string; readonly sha384: string; readonly sha512: string }
  /** Whether its issuer's signature on it holds; null when the issuer is not at hand. */
  readonly signatureValid: boolean | null
}

/** Who signed: what the signature itself says, completed from the certificate where there is one. */
export interface Signer {
  readonly subject: string | null
  readonly issuer: string | null
  readonly serialNumber: string | null
  readonly keyId: string | null
  readonly notBefore: string | null
  readonly notAfter: string | null
}

/** One signature on an image. */
export interface ImageSignature {
  /** 'authenticode': in a PE certificate table. 'nested': inside another Authenticode signature. 'module': appended, as on kernel modules. */
  readonly kind: 'authenticode' | 'nested' | 'module'
  /** 'sha256', …; the object identifier where it has no name here; null when it could not be read. */
  readonly hashAlgorithm: string | null
  /** The image's digest as the signature has it, hexadecimal; null when it does not tell (a module signature without attributes). */
  readonly digest: string | null
  /** The digest that the bytes really have, hexadecimal; null when it could not be computed. */
  readonly computedDigest: string | null
  readonly digestMatches: boolean | null
  /** 'rsa', 'rsa-pss', 'ecdsa', 'ed25519', …; else the object identifier. */
  readonly signatureAlgorithm: string | null
  /** Whether the signature holds under the signer's public key; null when that key is not at hand. */
  readonly signatureValid: boolean | null
  readonly signer: Signer | null
  /** When it was made, as the signer says; ISO 8601. */
  readonly signingTime: string | null
  /** All certificates the signature brings. */
  readonly certificates: readonly SignatureCertificate[]
  /** Why something could not be checked here, one sentence each; nothing is wrong by that. */
  readonly unchecked: readonly string[]
  /** What is wrong with it, one sentence each. */
  readonly problems: readonly string[]
}

/**
 * - 'unsigned': no signature, and no trace of a damaged one
 * - 'intact': every signature is the image's, and holds under the key it brings. Whether anyone trusts that key is another question
 * - 'unverified': nothing is wrong, but not all could be checked; `unchecked` says why. Signatures on kernel modules bring no key
 * - 'damaged': the bytes are not those that were signed, or the signature is broken; `problems` say which
 */
export type SignatureVerdict = 'unsigned' | 'intact' | 'unverified' | 'damaged'

/** What an image's signatures say and whether it is true. Plain data. */
export interface SignatureReport {
  readonly present: boolean
  readonly verdict: SignatureVerdict
  readonly signatures: readonly ImageSignature[]
  /** SHA-256 by the rules of Authenticode, hexadecimal: by it dbx names an image. null for an image without such a signature. */
  readonly authenticodeSha256: string | null
  /**
   * Whether the PE checksum, which covers every byte, is right; null when it was not computed, or the image has none (0) or
   * still has that of before it was signed, as pesign leaves it.
   */
  readonly checksumMatches: boolean | null
  /** Why Linux's own check (verify_pefile.c) refuses it whichever keys it trusts, though firmware may take it; one sentence each. */
  readonly refusedByKexec: readonly string[]
  /** What is wrong with the image or its signatures, one sentence each. */
  readonly problems: readonly string[]
}

/** What cannot be read, as the sentence to report. Never leaves this folder. */
export class Unreadable extends Error {}
