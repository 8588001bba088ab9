import type { ImageSignature, SignatureCertificate } from '../../image/signature/cms/report.ts'
import type { TrustedKey } from '../keys/keyrings.ts'
import type { KexecPolicy } from '../policy.ts'

/** Whether the kernel would trust the signer: by which key, or why not, or the missing fact. */
export type Trust =
  | { readonly trusted: true; readonly key: string; readonly keyring: string }
  | { readonly trusted: false; readonly why: string; readonly revoked: boolean }
  | { readonly trusted: null; readonly missing: string }

/**
 * Looks for the signer among the kernel's keys as pkcs7_validate_trust does: the signer's own certificate, then those
 * above it in the signature, then the issuer of the last. Certificates are matched by their key identifiers, which
 * /proc/keys shows whole.
 */
export function trustOf(policy: KexecPolicy, signature: ImageSignature): Trust {
  const chain = chainOf(signature)
  const blacklisted = chain.find(({ tbs }) =>
    Object.values(tbs).some((hash) => policy.keyrings.blacklist.includes(`tbs:${hash}`)),
  )
  if (blacklisted !== undefined)
    return revoked(`the certificate of ${blacklisted.subject} is on the kernel's blacklist`)
  const wanted = identifiersOf(signature, chain)
  const found = policy.keyrings.keys.filter(({ keyId }) => wanted.has(keyId))
  const bad = found.find(({ keyring }) => keyring === 'revoked')
  if (bad !== undefined) return revoked(`the key ${name(bad)} is on the kernel's list of revoked keys`)
  const usable = found.find(({ keyring }) => counts(policy, keyring))
  if (usable !== undefined) return { trusted: true, key: name(usable), keyring: place(policy, usable) }
  if (found[0] !== undefined) {
    return unsure(`which keyring has ${name(found[0])}: the key is present, but not where it certainly counts`)
  }
  return notFound(policy, signature, chain, wanted)
}

function notFound(
  policy: KexecPolicy,
  signature: ImageSignature,
  chain: readonly SignatureCertificate[],
  wanted: ReadonlySet<string>,
): Trust {
  const { keyrings, firmware, secureBoot, signature: check } = policy
  const signer = signature.signer?.subject ?? signature.signer?.keyId ?? 'its signer'
  if (keyrings.visible) {
    // Without an identifier the kernel goes by name and serial number, which /proc/keys does not show.
    const last = chain.at(-1)
    const isNamed = last === undefined ? signature.signer?.keyId != null : last.authorityKeyId !== null
    const isRoot = last !== undefined && last.subject === last.issuer
    if (!isNamed && !isRoot) return unsure(`which key would vouch for ${signer}: the signature names none`)
    return { trusted: false, why: `no key of this kernel has signed ${signer}`, revoked: false }
  }
  // The kernel takes the firmware's keys into .platform or .machine, so these are known even where its keyrings are
  // hidden.
  const inFirmware = firmware.trusted.keyIds.find((keyId) => wanted.has(keyId))
  if (
    inFirmware !== undefined &&
    secureBoot &&
    check.onlyBuiltinKeys === false &&
    !isRevokedByFirmware(policy, chain)
  ) {
    return { trusted: true, key: inFirmware, keyring: "the firmware's or shim's list" }
  }
  return unsure('which keys the kernel trusts (/proc/keys shows them to root)')
}

function isRevokedByFirmware(
  { firmware: { revoked: list } }: KexecPolicy,
  chain: readonly SignatureCertificate[],
): boolean {
  return chain.some(
    ({ keyId, tbs }) =>
      (keyId !== null && list.keyIds.includes(keyId)) ||
      Object.entries(tbs).some(([hash, value]) => list.certificates.includes(`${hash}:${value}`)),
  )
}

/** From the signer's certificate up, as far as the signature contains them. */
export function chainOf({ signer, certificates }: ImageSignature): SignatureCertificate[] {
  const chain: SignatureCertificate[] = []
  let next = certificates.find(
    ({ serialNumber, issuer }) => serialNumber === signer?.serialNumber && issuer === signer.issuer,
  )
  while (next !== undefined && !chain.includes(next)) {
    chain.push(next)
    const { authorityKeyId } = next
    next = authorityKeyId === null ? undefined : certificates.find(({ keyId }) => keyId === authorityKeyId)
  }
  return chain
}

/** Key identifiers; of a certificate without one, /proc/keys shows the serial number. */
function identifiersOf({ signer }: ImageSignature, chain: readonly SignatureCertificate[]): Set<string> {
  const wanted = new Set<string>()
  const add = (identifier: string | null | undefined) => {
    if (identifier != null) wanted.add(identifier.toLowerCase())
  }
  for (const { keyId, serialNumber } of chain) add(keyId ?? serialNumber)
  add(chain.at(-1)?.authorityKeyId)
  add(signer?.keyId)
  return wanted
}

function counts({ signature }: KexecPolicy, keyring: TrustedKey['keyring']): boolean {
  return keyring === 'builtin' || (keyring === 'platform or machine' && signature.onlyBuiltinKeys === false)
}

function place({ keyrings: { counts } }: KexecPolicy, { keyring }: TrustedKey): string {
  if (keyring !== 'builtin') return '.platform or .machine'
  return '.system_keyring' in counts ? '.system_keyring' : '.builtin_trusted_keys'
}

function name({ description, keyId }: TrustedKey): string {
  return description === '' ? keyId : description
}

function revoked(why: string): Trust {
  return { trusted: false, why, revoked: true }
}

function unsure(missing: string): Trust {
  return { trusted: null, missing }
}
