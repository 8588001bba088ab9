import { type Evidence, errnoName, KexecError } from '../errors.ts'
import { optionName } from '../option-name.ts'
import { type Cause, noSuchCall, REINSTALL, seccompFilter, signatureRejected } from '../policy/causes/causes.ts'
import { detectPolicy } from '../policy/detect.ts'
import type { KexecPolicy } from '../policy/policy.ts'
import { isAtLeast } from '../policy/signature-check.ts'
import type { PolicySubject } from '../policy/survey/survey.ts'
import { waysPastSignature } from '../policy/verdict/predict.ts'
import { memoryEvidence, readMemoryInfo } from '../system/memory-info.ts'
import { IOMEM, readResources, usableMemory } from '../system/memory-map.ts'
import { type MemoryRange, without } from '../system/memory-ranges.ts'
import type { System } from '../system/system.ts'
import { formatBytes } from '../text.ts'
import type { Diagnosis, FailedCall } from './failed-call.ts'
import { diagnosePermission } from './permission.ts'

/** Joins an errno of kexec_file_load or kexec_load with the policy, the process, the memory and the kernel's own words into one error. */
export function failureOf(system: System, call: FailedCall): KexecError {
  const policy = detectPolicy({ system })
  const name = errnoName(call.errno)
  const permission = name === 'EPERM' || name === 'EACCES' ? diagnosePermission(system, policy, call, name) : undefined
  // The kernel's own words first; then certain causes; then the meaning of the errno.
  const known =
    obstacleTo(name, policy, call) ??
    (name === 'EBUSY' ? earlierCrash(system) : undefined) ??
    (name === 'EADDRNOTAVAIL' && !call.panic ? longestRun(system) : undefined)
  const cause =
    fromLog(call.log) ?? permission?.diagnosis ?? known?.diagnosis ?? fromPolicy(name, policy, call) ?? fromErrno(call)
  const diagnosis = withHypervisor(policy, call.lostCrashKernel ? withLoss(cause) : cause)
  return new KexecError(diagnosis.summary, {
    reason: diagnosis.reason,
    ...(diagnosis.kind === undefined ? {} : { kind: diagnosis.kind }),
    errno: call.errno,
    syscall: call.syscall,
    ...(call.path === undefined ? {} : { path: call.path }),
    ...(diagnosis.hint === undefined ? {} : { hint: diagnosis.hint }),
    evidence: [
      ...call.log,
      ...(call.lostCrashKernel ? [LOSS] : []),
      ...(permission?.evidence ?? []),
      ...(known?.evidence ?? []),
      ...evidenceFor(name, system, policy),
      ...(call.given ?? []),
    ],
  })
}

const LOSS: Evidence = { source: '/sys/kernel/kexec_crash_loaded', value: '0, and 1 before the call' }

/**
 * The kernel frees a crash kernel before it reads the next (kexec_file_load of kernel/kexec_file.c): both would not
 * fit.
 */
function withLoss({ summary, hint, ...rest }: Diagnosis): Diagnosis {
  const consequence = 'the crash kernel that was loaded before is gone with it'
  const advice = 'Load one again soon: until then a panic is not dumped.'
  return { ...rest, summary: `${summary}; ${consequence}`, hint: hint === undefined ? advice : `${hint} ${advice}` }
}

/** A load that Xen would not start is not worth a repair: its name comes with any other fault. */
function withHypervisor({ obstacles }: KexecPolicy, diagnosis: Diagnosis): Diagnosis {
  const below = obstacles.find(({ name }) => name === 'xen')
  if (below === undefined) return diagnosis
  return { ...diagnosis, summary: `${diagnosis.summary}; and ${below.summary}`, hint: below.remedy }
}

interface Known {
  readonly diagnosis: Diagnosis
  readonly evidence: readonly Evidence[]
}

/** The obstacles that `doctor` knows on the machine, where one gives this exact errno. */
function obstacleTo(name: string, { obstacles }: KexecPolicy, { panic }: FailedCall): Known | undefined {
  const found = obstacles.find(({ code, concernsCrash }) => code === name && (concernsCrash || !panic))
  if (found === undefined) return undefined
  const { summary, remedy, evidence, certain } = found
  const isBusy = name === 'EBUSY'
  const more = certain || !isBusy ? '' : ' Else another load is under way: try again when it has ended.'
  const reason = isBusy ? 'busy' : 'kernel-refused'
  const kind = isBusy && !certain ? 'transient' : 'machine'
  return { diagnosis: { reason, kind, summary, hint: `${remedy}${more}` }, evidence }
}

/**
 * kexec_file_load places each file in one piece, anywhere in RAM. Pages in use are moved out of the way when the new
 * kernel starts (locate_mem_hole_top_down of kernel/kexec_file.c). So it is not free memory that is missing.
 */
function longestRun(system: System): Known | undefined {
  const runs = memoryRuns(system)
  const [longest] = runs.sort((one, other) => other.end - other.start - (one.end - one.start))
  if (longest === undefined) return undefined
  const size = formatBytes(longest.end - longest.start)
  const place = `0x${longest.start.toString(16)}-0x${(longest.end - 1).toString(16)}`
  return {
    diagnosis: {
      reason: 'no-memory-hole',
      summary: `no range of memory is long enough for the new kernel or its initrd in one piece: the longest has ${size}`,
      hint: 'Use a smaller initrd, or one that is compressed better. Stopping programs does not help: whether memory is in use does not matter here.',
    },
    evidence: [{ source: IOMEM, value: `${place} : System RAM, ${size}` }],
  }
}

/** RAM without the parts that the firmware or the kernel has reserved permanently. */
function memoryRuns(system: System): MemoryRange[] {
  try {
    const { ram, occupied } = usableMemory(readResources(system))
    return without(ram, occupied)
  } catch {
    return []
  }
}

/** The part of the policy that concerns an errno, not all facts that were read. */
function evidenceFor(name: string, system: System, policy: KexecPolicy): Evidence[] {
  const subjects: PolicySubject[] =
    name === 'EPERM'
      ? ['process', 'limits', 'lockdown', 'secure boot', 'signature', 'container']
      : name === 'ENOSYS'
        ? ['kernel', 'limits', 'process', 'container']
        : name === 'EACCES'
          ? ['ima', 'secure boot', 'process', 'container']
          : ['secure boot', 'lockdown', 'signature', 'keyrings', 'hypervisor']
  const evidence = policy.reasons
    .filter(({ subject }) => subjects.includes(subject))
    .map(({ source, value }) => ({ source, value }))
  if (name !== 'ENOMEM' && name !== 'EADDRNOTAVAIL') return evidence
  const available = readMemoryInfo(system)('MemAvailable')
  const reserved = system.readText('/sys/kernel/kexec_crash_size')?.trim()
  return [
    ...(available === undefined ? [] : [memoryEvidence('MemAvailable', available)]),
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

/** Errors for which the policy shows more than the errno. */
function fromPolicy(name: string, policy: KexecPolicy, call: FailedCall): Diagnosis | undefined {
  const { kexecFileLoad, kexecLoad, seccomp } = policy
  const asked = call.syscall === 'kexec_load' ? kexecLoad : kexecFileLoad
  if (name === 'ENOSYS' && asked.mode === 'unsupported') return diagnosisOf(noSuchCall(call.syscall))
  if (name === 'ENOSYS' && (seccomp ?? 0) > 0) {
    const summary = `this process cannot see the call: a seccomp filter hides it, or the running kernel has no ${call.syscall}`
    const hint = `${seccompFilter.remedy} \`linux-kexec policy\` there shows whether the kernel has it.`
    return { reason: seccompFilter.reason, summary, hint }
  }
  const isChanged = call.log.some(({ value }) => /digest mismatch/i.test(value))
  const cause = isChanged
    ? signatureRejected(name, REINSTALL, 'the kernel image is not the one that was signed')
    : signatureRejected(name, waysPastSignature(policy), whyRejected(name, policy))
  return cause && diagnosisOf(cause)
}

/** The policy's facts about EKEYREJECTED beyond the errno. */
function whyRejected(name: string, { signature, kernel }: KexecPolicy): string | undefined {
  if (name !== 'EKEYREJECTED') return undefined
  if (signature.format === 'none')
    return 'the running kernel requires signatures, and was built without the code that verifies those of such images'
  // Before 5.4 an image without a signature was also rejected.
  return isAtLeast(kernel.release, 5, 4) === false
    ? 'the kernel image is not signed, or its signature was rejected'
    : undefined
}

function diagnosisOf({ reason, summary, remedy }: Cause): Diagnosis {
  return { reason, summary, hint: remedy }
}

/** Kernel log lines that show more than the errno. */
function fromLog(log: readonly Evidence[]): Diagnosis | undefined {
  const text = log.map((line) => line.value).join('\n')
  if (/CPUs are stuck in the kernel/i.test(text)) {
    return {
      reason: 'busy',
      kind: 'machine',
      summary: 'the kernel cannot stop its other processors, and refuses every load while they run',
      hint: 'Boot with nr_cpus=1, or without protected KVM where that keeps them running.',
    }
  }
  if (/command line too long|elfcorehdr.*exceeds/i.test(text)) {
    return {
      reason: 'cmdline-too-long',
      summary: 'the command line is longer than this kernel takes',
      hint: `Shorten it with ${optionName('remove', 'KEY')}.`,
    }
  }
  return undefined
}

const byErrno: Record<string, Diagnosis> = {
  EBUSY: { reason: 'busy', summary: 'another load is under way', hint: 'Try again when it has ended.' },
  ETXTBSY: {
    reason: 'file-busy',
    summary: 'the kernel image or the initrd is open for writing elsewhere',
    hint: 'Wait until its writer has finished (`fuser -v FILE` names it).',
  },
  EIO: {
    reason: 'file-changed',
    summary: 'a file changed its size while the kernel read it',
    hint: 'Try again when its writer has finished.',
  },
  ENOEXEC: {
    reason: 'not-a-kernel',
    summary: "the kernel's loaders do not know this image",
    hint: '`linux-kexec inspect FILE` shows what it is.',
  },
  EINVAL: {
    reason: 'kernel-refused',
    summary: 'the kernel refused the image',
    hint: 'The kernel log lines in the evidence say more; `linux-kexec inspect FILE` shows what the file is.',
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
    summary: 'no range of memory is long enough for the new kernel or its initrd in one piece',
    hint: 'Use a smaller initrd, or one that is compressed better; root also sees the longest range.',
  },
}

function fromErrno(call: FailedCall): Diagnosis {
  const name = errnoName(call.errno)
  if (name === 'EADDRNOTAVAIL' && call.panic) {
    return {
      reason: 'no-crash-memory',
      summary: 'the memory reserved for a crash kernel does not hold kernel and initrd, or none is reserved',
      hint: 'Boot with a larger crashkernel= on the kernel command line (`linux-kexec crash-size` shows its size), or use a smaller initrd.',
    }
  }
  if (name === 'ENOSYS')
    return { ...diagnosisOf(noSuchCall(call.syscall)), summary: `the running kernel has no ${call.syscall}` }
  return byErrno[name] ?? { reason: 'kernel-refused', summary: `the kernel refused with ${name}` }
}
