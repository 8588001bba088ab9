/** A certificate as it lies in a signature. None of its fields says that anyone trusts it. */
export interface SignatureCertificate {
  /** In the order of the certificate, as `openssl x509 -nameopt oneline` has it: 'C=DE, O=Example, CN=Kernel signer'. */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal, upper case, as OpenSSL prints it. */
  readonly serialNumber: string
  /** Subject key identifier, hexadecimal, lower case: as /proc/keys shows it. null when the certificate has none. */
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
  /**
   * Hashes of the part that its issuer signed (TBSCertificate), hexadecimal: dbx and the kernel's blacklist name
   * certificates by these.
   */
  readonly tbs: { readonly sha256: string; readonly sha384: string; readonly sha512: string }
  /** Whether its issuer's signature on it is valid; null when the issuer is not available. */
  readonly signatureValid: boolean | null
}

/** The signer: by the signature itself, completed from the certificate where there is one. */
export interface ImageSigner {
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
  /**
   * The image's digest as the signature has it, hexadecimal; null when it has none (a module signature without
   * attributes).
   */
  readonly digest: string | null
  /** The actual digest of the bytes, hexadecimal; null when it could not be computed. */
  readonly computedDigest: string | null
  readonly digestMatches: boolean | null
  /** 'rsa', 'rsa-pss', 'ecdsa', 'ed25519', …; else the object identifier. */
  readonly signatureAlgorithm: string | null
  /** Whether the signature is valid under the signer's public key; null when that key is not available. */
  readonly signatureValid: boolean | null
  readonly signer: ImageSigner | null
  /** The signer's own time of signing; ISO 8601. */
  readonly signingTime: string | null
  /** All certificates in the signature. */
  readonly certificates: readonly SignatureCertificate[]
  /** Checks that could not be made here, one sentence each; these are not faults. */
  readonly unchecked: readonly string[]
  /** Its faults, one sentence each. */
  readonly problems: readonly string[]
}

/**
 * - 'unsigned': no signature, and no trace of a damaged one
 * - 'intact': every signature matches the image, and is valid under the key in it. Whether anyone trusts that key is
 *   another question
 * - 'unverified': no fault was found, but not all could be checked; `unchecked` has the reasons. Signatures on kernel
 *   modules contain no key
 * - 'damaged': the bytes are not the signed ones, or the signature is broken; `problems` has the details
 */
export type SignatureVerdict = 'unsigned' | 'intact' | 'unverified' | 'damaged'

/** The signatures of an image and their validity. Plain data. */
export interface SignatureReport {
  readonly present: boolean
  readonly verdict: SignatureVerdict
  readonly signatures: readonly ImageSignature[]
  /**
   * SHA-256 by the rules of Authenticode, hexadecimal: dbx names images by it. null for an image without such a
   * signature.
   */
  readonly authenticodeSha256: string | null
  /**
   * Whether the PE checksum, which covers every byte, is right; null when it was not computed, or the image has none
   * (0) or still has its value from before the signing, as with pesign.
   */
  readonly checksumMatches: boolean | null
  /**
   * The causes for which Linux's own check (verify_pefile.c) refuses it with any trusted keys, although firmware may
   * take it; one sentence each.
   */
  readonly refusedByKexec: readonly string[]
  /** Faults of the image or its signatures, one sentence each. */
  readonly problems: readonly string[]
}

/** Content that cannot be read, as the sentence to report. Never leaves this directory. */
export class Unreadable extends Error {}
