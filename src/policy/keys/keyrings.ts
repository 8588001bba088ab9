import type { Survey } from '../survey/survey.ts'

const KEYS = '/proc/keys'

/** A revocation list from the firmware puts some hundred keys there; a user's keys are few. */
const MAX_BYTES = 4 * 1024 * 1024

/** One certificate in a keyring of the kernel, as /proc/keys shows it. */
export interface TrustedKey {
  readonly description: string
  /** Subject key identifier, or for a certificate without one its serial number; hexadecimal, lower case. */
  readonly keyId: string
  /** Where it must be, by its permissions; 'other' where they do not show it. */
  readonly keyring: 'builtin' | 'platform or machine' | 'revoked' | 'other'
}

/** The keys that the kernel trusts, and those that it does not. */
export interface KernelKeyrings {
  /** Whether all keys of the kernel were visible; if not, missing keys may still exist. */
  readonly visible: boolean
  /** The kernel's keyrings by name, with the number of keys in each. */
  readonly counts: Readonly<Record<string, number>>
  readonly keys: readonly TrustedKey[]
  /** Hashes on the blacklist: 'tbs:…' of certificates, 'bin:…' of images. */
  readonly blacklist: readonly string[]
}

/** Keyrings of the system. A kernel with signature checks always has the first. */
const system = [
  '.builtin_trusted_keys',
  // Its name before 4.7.
  '.system_keyring',
  '.secondary_trusted_keys',
  '.machine',
  '.platform',
  '.blacklist',
  '.ima',
  '_ima',
]

/** Reads /proc/keys, which shows users their own keys, and root those of the kernel. */
export function readKeyrings(survey: Survey): KernelKeyrings {
  const keyrings = parseKeys(survey.text(KEYS, 'which keys the kernel trusts', MAX_BYTES) ?? '')
  for (const [name, count] of Object.entries(keyrings.counts)) {
    if (name !== '.ima' && name !== '_ima')
      survey.note(
        'keyrings',
        `${name} has ${count} ${count === 1 ? 'entry' : 'entries'}`,
        KEYS,
        `${name}: ${count || 'empty'}`,
      )
  }
  if (!keyrings.visible && survey.system.exists(KEYS)) {
    survey.miss(KEYS, 'EACCES', 'which keys the kernel trusts: only root sees them')
  }
  return keyrings
}

/** The format is proc_keys_show of security/keys/proc.c: id, flags, usage, timeout, permissions, uid, gid, type, description. */
export function parseKeys(text: string): KernelKeyrings {
  const counts: Record<string, number> = {}
  const keys: TrustedKey[] = []
  const blacklist: string[] = []
  for (const line of text.split('\n')) {
    const match = /^[0-9a-f]+ (\S+) +\d+ +(\S+) ([0-9a-f]{8}) +(-?\d+) +-?\d+ (\S+) +(.*)$/.exec(line)
    if (match === null) continue
    const [, flags = '', timeout = '', permissions = '', uid = '', type = '', description = ''] = match
    if (type === 'keyring' && uid === '0') readCount(description, counts)
    if (!isUsable(flags, timeout)) continue
    if (type === 'blacklist' && /^(?:tbs|bin):[0-9a-f]+$/.test(description)) blacklist.push(description)
    if (type.startsWith('asymmetri')) {
      const key = readKey(description, permissions, uid)
      if (key !== undefined) keys.push(key)
    }
  }
  return { visible: '.builtin_trusted_keys' in counts || '.system_keyring' in counts, counts, keys, blacklist }
}

/** '.platform: 3', '.machine: empty' */
function readCount(description: string, counts: Record<string, number>): void {
  const match = /^(\S+): (\d+|empty)/.exec(description)
  if (match === null || !system.includes(match[1] as string)) return
  counts[match[1] as string] = match[2] === 'empty' ? 0 : Number(match[2])
}

/** Instantiated, and neither revoked, dead nor expired. */
function isUsable(flags: string, timeout: string): boolean {
  return flags.startsWith('I') && !flags.includes('R') && !flags.includes('D') && timeout !== 'expd'
}

/**
 * Permissions with which the kernel makes keys (KEY_POS_* and KEY_USR_* of include/linux/key.h): those built in
 * (load_system_certificate_list), those of the firmware and of shim (add_to_platform_keyring, add_to_machine_keyring), and
 * revoked ones (add_key_to_revocation_list).
 */
const owners: Readonly<Record<string, TrustedKey['keyring']>> = {
  '1f030000': 'builtin',
  '1f010000': 'platform or machine',
  '0b010000': 'revoked',
}

/** 'Debian Secure Boot CA: 6ccece…9ea1: X509.rsa bb419ea1 []' */
function readKey(description: string, permissions: string, uid: string): TrustedKey | undefined {
  const match =
    /^(.*): ([0-9a-f]+): \S+ [0-9a-f]+ \[/.exec(description) ?? /^()([0-9a-f]+): \S+ [0-9a-f]+ \[/.exec(description)
  if (match === null) return undefined
  const keyring = uid === '0' ? (owners[permissions] ?? 'other') : 'other'
  return { description: match[1] as string, keyId: match[2] as string, keyring }
}
