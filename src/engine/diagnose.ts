import { type Evidence, errnoName, KexecError, type Reason } from '../errors.ts'
import { readPrivileges } from '../policy/privileges.ts'
import { readSwitches } from '../policy/switches.ts'
import type { System } from '../system/system.ts'

/** What is known about a call that failed. */
export interface FailedCall {
  /** Positive errno. */
  readonly errno: number
  readonly syscall: string
  readonly path?: string
  readonly panic: boolean
  /** What the kernel logged during the call. */
  readonly log: readonly Evidence[]
}

interface Diagnosis {
  readonly reason: Reason
  readonly summary: string
  readonly hint?: string
}

/** Joins an errno of kexec_file_load with the state of the machine and the kernel's own words into one error. */
export function diagnoseLoad(system: System, call: FailedCall): KexecError {
  const privileges = readPrivileges(system)
  const switches = readSwitches(system, call.panic)
  const diagnosis =
    call.errno === EPERM ? diagnosePermission(privileges, switches) : (fromLog(call.log) ?? fromErrno(call))
  return new KexecError(diagnosis.summary, {
    reason: diagnosis.reason,
    errno: call.errno,
    syscall: call.syscall,
    ...(call.path === undefined ? {} : { path: call.path }),
    ...(diagnosis.hint === undefined ? {} : { hint: diagnosis.hint }),
    evidence: [...call.log, ...switches.evidence, ...privileges.evidence],
  })
}

const EPERM = 1

/** EPERM has six causes, and only the state around the call tells which. */
function diagnosePermission(
  privileges: ReturnType<typeof readPrivileges>,
  switches: ReturnType<typeof readSwitches>,
): Diagnosis {
  if (!privileges.capable) {
    return { reason: 'no-capability', summary: 'this process does not have CAP_SYS_BOOT', hint: 'Run it as root.' }
  }
  if (!privileges.initialUserNamespace) {
    return {
      reason: 'not-init-user-namespace',
      summary: 'CAP_SYS_BOOT only counts in the initial user namespace, and this process is in another',
      hint: 'Run it on the host, outside of the container.',
    }
  }
  if (switches.disabled) {
    return {
      reason: 'kexec-disabled',
      summary: 'loading is switched off until the next boot (kernel.kexec_load_disabled)',
      hint: 'Reboot; find what sets kernel.kexec_load_disabled.',
    }
  }
  if (switches.loadsLeft === 0) {
    return {
      reason: 'load-limit',
      summary: 'the number of loads allowed since boot is used up (kernel.kexec_load_limit_*)',
      hint: 'Reboot to load again.',
    }
  }
  if (switches.lockdown !== null && switches.lockdown !== 'none') {
    return {
      reason: 'lockdown',
      summary: `the kernel is locked down (${switches.lockdown}) and trusts no signature on this image`,
      hint: "Load a kernel signed with a key in the kernel's keyrings, or boot without lockdown.",
    }
  }
  const filtered = privileges.seccomp === 2 ? 'a seccomp filter on this process, or a' : 'a'
  return {
    reason: 'not-permitted',
    summary: `not permitted, although capability, switches and lockdown allow it: ${filtered} security module`,
    hint: 'Look for SELinux, AppArmor or seccomp rules that concern kexec or CAP_SYS_BOOT, and in the audit log.',
  }
}

/** Kernel log lines that tell more than the errno. */
function fromLog(log: readonly Evidence[]): Diagnosis | undefined {
  const text = log.map((line) => line.value).join('\n')
  if (/command line too long|elfcorehdr.*exceeds/i.test(text)) {
    return {
      reason: 'cmdline-too-long',
      summary: 'the command line is longer than this kernel takes',
      hint: 'Shorten it with --remove KEY.',
    }
  }
  return undefined
}

const SIGNATURE: Diagnosis = {
  reason: 'signature-rejected',
  summary: "the kernel image's signature was rejected",
  hint: 'Install a kernel signed by the distribution, or enrol the key that signed this one (mokutil --import).',
}

const byErrno: Record<string, Diagnosis> = {
  ENOSYS: {
    reason: 'no-kexec-support',
    summary: 'the running kernel has no kexec_file_load',
    hint: 'It was built without CONFIG_KEXEC_FILE, or a seccomp filter hides the call.',
  },
  EBUSY: { reason: 'busy', summary: 'another load is under way', hint: 'Try again when it has ended.' },
  ETXTBSY: {
    reason: 'file-busy',
    summary: 'the kernel image or the initrd is open for writing elsewhere',
    hint: 'Wait until whatever writes it has finished (`fuser -v FILE` names it).',
  },
  EIO: {
    reason: 'file-changed',
    summary: 'a file changed its size while the kernel read it',
    hint: 'Try again when nothing writes it.',
  },
  ENOEXEC: {
    reason: 'not-a-kernel',
    summary: "the kernel's loaders do not know this image",
    hint: '`linux-kexec inspect FILE` tells what it is.',
  },
  EINVAL: {
    reason: 'kernel-refused',
    summary: 'the kernel refused the image',
    hint: 'The kernel log lines in the evidence say more; `linux-kexec inspect FILE` tells what the file is.',
  },
  ENOMEM: {
    reason: 'no-memory',
    summary: 'not enough memory to hold the new kernel and its initrd',
    hint: 'Free memory, or use a smaller initrd.',
  },
  EFBIG: {
    reason: 'initrd-too-large',
    summary: 'the initrd is larger than the running kernel reads',
    hint: 'Use a smaller initrd.',
  },
  EADDRNOTAVAIL: {
    reason: 'no-memory-hole',
    summary: 'no free range of memory fits the new kernel',
    hint: 'Free memory, or use a smaller initrd.',
  },
  EACCES: {
    reason: 'signature-rejected',
    summary: 'IMA appraisal refused the image',
    hint: "The image needs a valid security.ima signature for this machine's IMA policy.",
  },
  ENODATA: { ...SIGNATURE, summary: 'the kernel image is not signed, and this machine requires it' },
  ENOKEY: { ...SIGNATURE, summary: "no key in the kernel's keyrings matches the image's signature" },
  EKEYEXPIRED: { ...SIGNATURE, summary: 'the key that signed the kernel image has expired' },
  EKEYREVOKED: { ...SIGNATURE, summary: 'the key that signed the kernel image was revoked' },
  EKEYREJECTED: SIGNATURE,
  ELIBBAD: { ...SIGNATURE, summary: "the kernel image's signature is malformed" },
  EBADMSG: { ...SIGNATURE, summary: "the kernel image's signature is malformed" },
  ENOPKG: { ...SIGNATURE, summary: "the kernel image's signature uses an algorithm that the running kernel lacks" },
  EMSGSIZE: { ...SIGNATURE, summary: "the kernel image's signature is malformed" },
}

function fromErrno(call: FailedCall): Diagnosis {
  const name = errnoName(call.errno)
  if (name === 'EADDRNOTAVAIL' && call.panic) {
    return {
      reason: 'no-crash-memory',
      summary: 'no memory is reserved for a crash kernel',
      hint: 'Boot with crashkernel=256M (or larger) on the kernel command line.',
    }
  }
  return byErrno[name] ?? { reason: 'kernel-refused', summary: `the kernel refused with ${name}` }
}
