import type { Reason } from '../../errors.ts'
import { optionName } from '../../option-name.ts'
import { STATUS } from '../../system/process-status.ts'

/**
 * One reason for which the kernel refuses a load, described once. The plan, `policy`, `doctor` and the error after the
 * call use these words, and docs/errors.md names the same files.
 */
export interface Cause {
  readonly reason: Reason
  /** The errno of the kernel. */
  readonly code: string
  /** To complete "it may be …" where it is uncertain. */
  readonly name: string
  /** A sentence without capital and full stop. */
  readonly summary: string
  /** The remedy, in sentences. */
  readonly remedy: string
  /** Where it was read. */
  readonly sources: readonly string[]
}

/**
 * @param uid null when it cannot be read: root may lack the capability
 */
export function noCapability(uid: number | null): Cause {
  return {
    reason: 'no-capability',
    code: 'EPERM',
    name: `no CAP_SYS_BOOT (${STATUS} could not be read)`,
    summary: 'this process does not have CAP_SYS_BOOT',
    remedy:
      uid === 0
        ? 'This is root without CAP_SYS_BOOT: give the container or service the capability (--cap-add=SYS_BOOT, CapabilityBoundingSet=), or run linux-kexec on the host.'
        : 'Run it as root.',
    sources: [STATUS],
  }
}

export const otherUserNamespace: Cause = {
  reason: 'not-init-user-namespace',
  code: 'EPERM',
  name: 'another user namespace (/proc/self/ns/user could not be read)',
  summary: 'CAP_SYS_BOOT only counts in the initial user namespace, and this process is in another',
  remedy: 'Run linux-kexec on the host, outside of the container or `unshare --user`.',
  sources: ['/proc/self/ns/user', '/proc/self/uid_map'],
}

/** Loading is allowed there; rebooting is not. */
export const otherPidNamespace: Cause = {
  reason: 'not-init-pid-namespace',
  code: 'EINVAL',
  name: 'another pid namespace (/proc/self/ns/pid could not be read)',
  summary: 'this process is in a child pid namespace: it can load a kernel, but not start it with reboot(2)',
  remedy: 'Run linux-kexec on the host, outside of the container or `unshare --pid`.',
  sources: ['/proc/self/ns/pid'],
}

/**
 * @param whoHasSet the source that sets the switch at boot, and how to undo it; null when unknown
 */
export function loadingDisabled(whoHasSet: string | null): Cause {
  return {
    reason: 'kexec-disabled',
    code: 'EPERM',
    name: 'kernel.kexec_load_disabled (it could not be read)',
    summary: 'loading is switched off until the next boot (kernel.kexec_load_disabled)',
    remedy: `It cannot be switched on again while this kernel runs. ${whoHasSet ?? 'Reboot; find what sets kernel.kexec_load_disabled.'}`,
    sources: ['/proc/sys/kernel/kexec_load_disabled'],
  }
}

/**
 * @param whoHasSet as above, where the limit is not used up by loads
 */
export function limitUsedUp(panic: boolean, whoHasSet: string | null): Cause {
  const name = `kernel.kexec_load_limit_${panic ? 'panic' : 'reboot'}`
  return {
    reason: 'load-limit',
    code: 'EPERM',
    name,
    summary: `no more loads are allowed until the next boot (${name})`,
    remedy: whoHasSet ?? 'The limit can only be lowered while this kernel runs; reboot to load again.',
    sources: [`/proc/sys/kernel/kexec_load_limit_${panic ? 'panic' : 'reboot'}`],
  }
}

/**
 * @param state 'integrity' or 'confidentiality'; null when it cannot be read
 * @param why the fault of the image, where known
 */
export function lockedDown(state: string | null, why: string | null = null): Cause {
  const known = state === null || state === 'none' ? '' : ` (${state})`
  return {
    reason: 'lockdown',
    code: 'EPERM',
    name: state === null ? 'lockdown (it could not be read)' : `lockdown${known}`,
    summary: `the kernel is locked down${known} and ${why === null ? 'trusts no signature on this image' : `takes only what it trusts: ${why}`}`,
    remedy:
      'Load a kernel signed with a key that this kernel has (`linux-kexec policy` lists them), or boot without lockdown: without lockdown= on the command line, with Secure Boot off.',
    sources: ['/sys/kernel/security/lockdown', '/proc/keys'],
  }
}

/** A call without a file cannot verify one. */
const onlyFiles = () => `Load it with ${optionName('engine', 'file')}, which takes a signed kernel.`

export function lockedAgainstSegments(state: string | null): Cause {
  return { ...lockedDown(state), summary: `the kernel is locked down (${state})`, remedy: onlyFiles() }
}

/** @param isRead whether the rules could be read */
export function imaAgainstSegments(isRead: boolean): Cause {
  return {
    ...imaAgainstFile(null, isRead),
    summary: "IMA does not allow kexec_load, since only a kernel's file can carry a signature",
    remedy: onlyFiles(),
  }
}

/**
 * @param why the file and its fault; null when only the kernel knows
 */
export function imaAgainstFile(why: string | null, isRead = true): Cause {
  return {
    reason: 'ima-appraisal',
    code: 'EACCES',
    name: isRead ? 'IMA' : 'IMA (its rules could not be read)',
    summary: why === null ? "IMA refused the kernel's or the initrd's file" : `IMA would refuse ${why}`,
    remedy: `Sign the file with a key that IMA trusts (evmctl ima_sign), or load the file itself instead of an unpacked or joined one.${why === null ? ' The audit log says which file and why.' : ''}`,
    sources: ['/sys/kernel/security/ima/policy'],
  }
}

export const seccompFilter: Cause = {
  reason: 'not-permitted',
  code: 'EPERM',
  name: 'a seccomp filter on this process',
  summary: 'a seccomp filter on this process does not let the call through',
  remedy: 'Run linux-kexec outside of the container or service (SystemCallFilter=) that set the filter.',
  sources: [STATUS],
}

/**
 * @param name the module, and the profile that confines this process: 'AppArmor (docker-default)'
 */
export function securityModule(name: string): Cause {
  return {
    reason: 'not-permitted',
    code: 'EACCES',
    name,
    summary: `${name} does not allow it`,
    remedy:
      'Run linux-kexec from an unconfined shell of the host; the audit log says what was refused (`ausearch -m AVC`, `dmesg`).',
    sources: ['/sys/kernel/security/lsm'],
  }
}

export function noSuchCall(call: 'kexec_file_load' | 'kexec_load'): Cause {
  const option = call === 'kexec_load' ? 'CONFIG_KEXEC' : 'CONFIG_KEXEC_FILE'
  return {
    reason: 'no-kexec-support',
    code: 'ENOSYS',
    name: `no ${call}`,
    summary: `the running kernel has no ${call}: it was built without ${option}`,
    remedy: `Boot a kernel built with ${option}=y.`,
    sources: ['/proc/sys/kernel/kexec_load_disabled'],
  }
}

/** The bytes are wrong, not the signer: no key helps. */
export const REINSTALL =
  'Install it again (apt reinstall, dnf reinstall): the file is damaged, or was changed since it was signed.'

/** The meaning of each errno of the kernel's own check of an image's signature. */
const wrongSignatures: ReadonlyMap<string, string> = new Map([
  ['ENODATA', 'the kernel image is not signed, and this machine requires it'],
  ['ENOKEY', "no key in the kernel's keyrings matches the image's signature"],
  ['EKEYEXPIRED', 'the key that signed the kernel image has expired'],
  ['EKEYREVOKED', 'the key that signed the kernel image was revoked'],
  ['EKEYREJECTED', "the kernel image's signature was rejected"],
  ['ELIBBAD', "the kernel image's signature is malformed"],
  ['EBADMSG', "the kernel image's signature is malformed"],
  ['ENOPKG', "the kernel image's signature uses an algorithm that the running kernel lacks"],
  ['EMSGSIZE', "the kernel image's signature is malformed"],
])

/** Undefined for an errno that is not about signatures. */
export function signatureRejected(code: string, remedy: string, why = wrongSignatures.get(code)): Cause | undefined {
  if (why === undefined || !wrongSignatures.has(code)) return undefined
  return {
    reason: 'signature-rejected',
    code,
    name: 'the signature',
    summary: why,
    remedy,
    sources: ['/proc/keys'],
  }
}
