import { type Evidence, errnoName, KexecError, type Reason } from '../errors.ts'
import { detectPolicy, type KexecPolicy, type PolicySubject } from '../policy/index.ts'
import type { System } from '../system/system.ts'
import { diagnosePermission } from './permission.ts'

/** What is known of a call that failed. */
export interface FailedCall {
  /** Positive errno. */
  readonly errno: number
  readonly syscall: string
  readonly path?: string
  readonly panic: boolean
  /** Loads that were still allowed before the call, which itself uses one up; null for any number. */
  readonly loadsLeft: number | null
  /** A crash kernel was loaded before the call, and none is any more. */
  readonly lostCrashKernel?: boolean
  /** What the kernel logged during the call. */
  readonly log: readonly Evidence[]
}

export interface Diagnosis {
  readonly reason: Reason
  readonly summary: string
  readonly hint?: string
}

/** Joins an errno of kexec_file_load or kexec_load with the policy, the process, the memory and the kernel's own words into one error. */
export function diagnoseLoad(system: System, call: FailedCall): KexecError {
  const policy = detectPolicy({ system })
  const name = errnoName(call.errno)
  const permission = name === 'EPERM' ? diagnosePermission(system, policy, call) : undefined
  const crashed = name === 'EBUSY' ? earlierCrash(system) : undefined
  const cause =
    permission?.diagnosis ??
    crashed?.diagnosis ??
    fromLog(call.log) ??
    fromPolicy(name, policy, call) ??
    fromErrno(call)
  const diagnosis = call.lostCrashKernel ? withLoss(cause) : cause
  return new KexecError(diagnosis.summary, {
    reason: diagnosis.reason,
    errno: call.errno,
    syscall: call.syscall,
    ...(call.path === undefined ? {} : { path: call.path }),
    ...(diagnosis.hint === undefined ? {} : { hint: diagnosis.hint }),
    evidence: [
      ...call.log,
      ...(call.lostCrashKernel ? [LOSS] : []),
      ...(permission?.evidence ?? []),
      ...(crashed?.evidence ?? []),
      ...evidenceFor(name, system, policy),
    ],
  })
}

const LOSS: Evidence = { source: '/sys/kernel/kexec_crash_loaded', value: '0, and 1 before the call' }

/** The kernel frees a crash kernel before it reads the next (kexec_file_load of kernel/kexec_file.c): both would not fit. */
function withLoss({ reason, summary, hint }: Diagnosis): Diagnosis {
  const consequence = 'the crash kernel that was loaded before is gone with it'
  const advice = 'Load one again soon: until then a panic is not dumped.'
  return { reason, summary: `${summary}; ${consequence}`, hint: hint === undefined ? advice : `${hint} ${advice}` }
}

/** What of the policy concerns an errno: not everything that was read. */
function evidenceFor(name: string, system: System, policy: KexecPolicy): Evidence[] {
  const subjects: PolicySubject[] =
    name === 'EPERM'
      ? ['process', 'limits', 'lockdown', 'secure boot', 'signature', 'container']
      : name === 'ENOSYS'
        ? ['kernel', 'limits', 'process', 'container']
        : name === 'EACCES'
          ? ['ima', 'secure boot', 'process']
          : ['secure boot', 'lockdown', 'signature', 'keyrings']
  const evidence = policy.reasons
    .filter(({ subject }) => subjects.includes(subject))
    .map(({ source, value }) => ({ source, value }))
  if (name !== 'ENOMEM' && name !== 'EADDRNOTAVAIL') return evidence
  const available = /^MemAvailable:.*$/m.exec(system.readText('/proc/meminfo') ?? '')?.[0]
  const reserved = system.readText('/sys/kernel/kexec_crash_size')?.trim()
  return [
    ...(available === undefined ? [] : [{ source: '/proc/meminfo', value: available.replace(/\s+/g, ' ') }]),
    ...(reserved === undefined ? [] : [{ source: '/sys/kernel/kexec_crash_size', value: reserved }]),
  ]
}

/** TAINT_DIE of include/linux/panic.h: "kernel has oopsed before". */
const HAS_CRASHED = 1n << 7n

/** A kernel that crashed while it loaded keeps kexec locked. */
function earlierCrash(system: System): { diagnosis: Diagnosis; evidence: Evidence[] } | undefined {
  const source = '/proc/sys/kernel/tainted'
  const value = system.readText(source)?.trim() ?? ''
  if (!/^\d+$/.test(value) || (BigInt(value) & HAS_CRASHED) === 0n) return undefined
  return {
    diagnosis: {
      reason: 'busy',
      summary: 'another load is under way, or one has crashed: the running kernel has crashed before',
      hint: 'Try again when no other load is under way; if it stays so, kexec is locked until the machine is restarted through its firmware.',
    },
    evidence: [{ source, value: `${value} (the kernel has oopsed)` }],
  }
}

/** Where the policy tells more than the errno. */
function fromPolicy(
  name: string,
  { kexecFileLoad, kexecLoad, seccomp, ima, signature }: KexecPolicy,
  call: FailedCall,
): Diagnosis | undefined {
  const asked = call.syscall === 'kexec_load' ? kexecLoad : kexecFileLoad
  if (name === 'ENOSYS' && asked.mode === 'unsupported') {
    return { reason: 'no-kexec-support', summary: asked.why, hint: buildWith(call) }
  }
  if (name === 'EACCES' && call.syscall === 'kexec_load') {
    return {
      reason: 'ima-appraisal',
      summary: "IMA does not allow kexec_load, since only a kernel's file can carry a signature",
      hint: 'Load it with --engine file.',
    }
  }
  if (name === 'ENOSYS' && (seccomp ?? 0) > 0) {
    return {
      reason: 'not-permitted',
      summary: `the call is hidden from this process: by a seccomp filter, or the running kernel has no ${call.syscall}`,
      hint: 'Run it outside of the container or service that set the filter; `linux-kexec policy` there tells whether the kernel has it.',
    }
  }
  const isLogged = call.log.some(({ value }) => /appraise|\bima\b/i.test(value))
  if (name === 'EACCES' && !isLogged && ima.present === false) {
    return {
      reason: 'not-permitted',
      summary: 'a security module does not allow this file to be loaded as a kernel',
      hint: 'Look for what concerns the file in the audit log (`ausearch -m AVC`, `dmesg`).',
    }
  }
  if (name === 'EKEYREJECTED' && signature.format === 'none') {
    const summary =
      'the running kernel requires signatures, and was built without the code that verifies those of such images'
    return { ...SIGNATURE, summary, hint: 'Boot another kernel: no image can pass here.' }
  }
  return undefined
}

function buildWith({ syscall }: FailedCall): string {
  return `Boot a kernel built with CONFIG_KEXEC${syscall === 'kexec_load' ? '' : '_FILE'}=y.`
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
    reason: 'ima-appraisal',
    summary: "IMA refused the kernel's or the initrd's file, or a security module did",
    hint: 'Sign the file with a key that IMA trusts (evmctl ima_sign); the audit log says which file and why.',
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
      summary: 'the memory reserved for a crash kernel does not hold kernel and initrd, or none is reserved',
      hint: 'Boot with a larger crashkernel= on the kernel command line (`linux-kexec crash-size` tells what there is), or use a smaller initrd.',
    }
  }
  if (name === 'ENOSYS') {
    return {
      reason: 'no-kexec-support',
      summary: `the running kernel has no ${call.syscall}`,
      hint: buildWith(call),
    }
  }
  return byErrno[name] ?? { reason: 'kernel-refused', summary: `the kernel refused with ${name}` }
}
