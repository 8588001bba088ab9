import type { ImageSignature, SignatureReport } from '../../image/signature/cms/report.ts'
import type { KexecPolicy } from '../policy.ts'
import { isAtLeast } from '../signature-check.ts'
import { chainOf, trustOf } from './trust.ts'

/** The result of a check: passed, failed with an errno, or undecided for a missing fact. */
export type CheckAnswer =
  | { readonly passes: true; readonly why: string }
  | FailedCheck
  | { readonly passes: null; readonly missing: string }

export interface FailedCheck {
  readonly passes: false
  readonly code: string
  readonly why: string
  /** The bytes are wrong, not the signer: no key helps. */
  readonly changed: boolean
}

/**
 * The predicted result of the kernel's own check of an image's signature, in the kernel's order: the format, the
 * signature, the signer, the digest (verify_pefile_signature, s390_verify_sig).
 * @param report null when the signatures were not read
 * @param isPe whether the image is a PE file; null when unknown
 */
export function checkSignature(policy: KexecPolicy, report: SignatureReport | null, isPe: boolean | null): CheckAnswer {
  const { format } = policy.signature
  if (format === 'none')
    return fails('EKEYREJECTED', 'this kernel was built without the code that verifies such images')
  if (report === null)
    return unsure('what signature the kernel has: it lies inside something that is only unpacked when it is loaded')
  if (format === null) return unsure('which kind of signature this kernel verifies')
  const kind = format === 'authenticode' ? 'authenticode' : 'module'
  const [wrong] = report.refusedByKexec
  if (kind === 'authenticode' && wrong !== undefined) return fails('ELIBBAD', wrong)
  const signature = report.signatures.find((each) => each.kind === kind)
  if (signature === undefined) return withoutSignature(policy, report, isPe)
  return checkOne(policy, signature)
}

function withoutSignature(
  policy: KexecPolicy,
  { present, problems }: SignatureReport,
  isPe: boolean | null,
): CheckAnswer {
  if (present) return unsure(`how the kernel judges its signature: ${problems[0] ?? 'it is of another kind'}`)
  if (policy.signature.format === 'appended') return fails('EKEYREJECTED', 'the kernel is not signed')
  if (isPe === false) return fails('ELIBBAD', 'the kernel is not a PE image, and only PE images can be signed')
  if (problems.length > 0) return fails('ELIBBAD', problems[0] as string)
  // 99d5cadfde2b, which split CONFIG_KEXEC_VERIFY_SIG, gave an unsigned image an errno of its own.
  return fails(
    isAtLeast(policy.kernel.release, 5, 4) === false ? 'EKEYREJECTED' : 'ENODATA',
    'the kernel is not signed',
  )
}

function checkOne(policy: KexecPolicy, signature: ImageSignature): CheckAnswer {
  const algorithm = checkAlgorithms(signature)
  if (algorithm !== undefined) return algorithm
  if (signature.signatureValid === false)
    return fails('EKEYREJECTED', "the signature does not hold under its signer's key", true)
  const outside = signedOutsideValidity(signature)
  if (outside !== undefined) return outside
  const forged = chainOf(signature).find(({ signatureValid }) => signatureValid === false)
  if (forged !== undefined)
    return fails('EKEYREJECTED', `its certificate of ${forged.subject} was not signed by its issuer`)
  const trust = trustOf(policy, signature)
  const isChanged = signature.digestMatches === false
  if (trust.trusted === false) return fails(trust.revoked ? 'EKEYREJECTED' : 'ENOKEY', trust.why)
  if (isChanged) return fails('EKEYREJECTED', 'the image is not the one that was signed: its digest is different', true)
  const problem = signature.problems[0] ?? (signature.signatureValid === null ? signature.unchecked[0] : undefined)
  if (trust.trusted === null) return unsure(trust.missing)
  if (problem !== undefined) return unsure(`how the kernel judges its signature: ${problem}`)
  if (signature.digestMatches === null) return unsure("whether the image's digest is the one that was signed")
  return { passes: true, why: `it is signed, and ${trust.key} in ${trust.keyring} vouches for the signer` }
}

/**
 * Algorithms that the kernel's parsers know (pkcs7_parser.c, mscode_parser.c) in every version. Others depend on
 * version and build.
 */
const hashes = ['sha224', 'sha256', 'sha384', 'sha512']
const signatures = ['rsa', 'ecdsa']

function checkAlgorithms({ hashAlgorithm, signatureAlgorithm }: ImageSignature): CheckAnswer | undefined {
  if (hashAlgorithm !== null && !hashes.includes(hashAlgorithm))
    return unsure(`whether this kernel knows the hash ${hashAlgorithm}`)
  if (signatureAlgorithm !== null && !signatures.includes(signatureAlgorithm)) {
    return unsure(`whether this kernel knows signatures by ${signatureAlgorithm}`)
  }
  return undefined
}

/** The kernel ignores the clock, and uses the signer's own time of signing (pkcs7_verify_one). */
function signedOutsideValidity({ signingTime, signer }: ImageSignature): CheckAnswer | undefined {
  const time = Date.parse(signingTime ?? '')
  const [from, to] = [Date.parse(signer?.notBefore ?? ''), Date.parse(signer?.notAfter ?? '')]
  if (!(time < from || time > to)) return undefined
  return fails('EKEYREJECTED', 'it was signed at a time when the certificate of its signer was not valid')
}

function fails(code: string, why: string, changed = false): FailedCheck {
  return { passes: false, code, why, changed }
}

function unsure(missing: string): CheckAnswer {
  return { passes: null, missing }
}
