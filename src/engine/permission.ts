import type { Evidence, Reason } from '../errors.ts'
import type { KexecPolicy } from '../policy/index.ts'
import type { System } from '../system/system.ts'
import type { Diagnosis, FailedCall } from './diagnose.ts'

/** One cause of EPERM: whether it was this one, or may have been. */
interface Cause extends Diagnosis {
  readonly certain: boolean
  /** To complete "what remains possible: …". */
  readonly name: string
}

const MODULES = '/sys/kernel/security/lsm'

/** Security modules that can refuse what capabilities allow; the others of the list cannot. */
const mandatory = ['selinux', 'apparmor', 'smack', 'tomoyo', 'bpf']

/**
 * EPERM has seven causes, and only the state around the call tells which. One that is certain is the cause; else those that
 * remain possible are all named.
 */
export function diagnosePermission(
  system: System,
  policy: KexecPolicy,
  call: FailedCall,
): { readonly diagnosis: Diagnosis; readonly evidence: readonly Evidence[] } {
  const modules = system.readText(MODULES)?.trim()
  const causes = [...causesInProcess(policy), ...causesInKernel(policy, call), ...causesBeyond(policy, modules)]
  const evidence = modules === undefined ? [] : [{ source: MODULES, value: modules }]
  const certain = causes.find((cause) => cause.certain)
  const [only, ...others] = causes
  if (certain !== undefined || (only !== undefined && others.length === 0)) {
    return { diagnosis: certain ?? (only as Cause), evidence }
  }
  return { diagnosis: undecided(causes), evidence }
}

function causesInProcess({ capability, namespaces }: KexecPolicy): Cause[] {
  const causes: Cause[] = []
  if (capability !== true) {
    causes.push({
      certain: capability === false,
      name: 'no CAP_SYS_BOOT (/proc/self/status could not be read)',
      reason: 'no-capability',
      summary: 'this process does not have CAP_SYS_BOOT',
      hint: 'Run it as root.',
    })
  }
  if (namespaces.user !== true) {
    causes.push({
      certain: namespaces.user === false,
      name: 'another user namespace (/proc/self/ns/user could not be read)',
      reason: 'not-init-user-namespace',
      summary: 'CAP_SYS_BOOT only counts in the initial user namespace, and this process is in another',
      hint: 'Run it on the host, outside of the container.',
    })
  }
  return causes
}

function causesInKernel(policy: KexecPolicy, { panic, loadsLeft, log }: FailedCall): Cause[] {
  const { limits, lockdown } = policy
  const switchedOff = policy.kexecFileLoad.remedy ?? policy.kexecLoad.remedy
  const causes: Cause[] = []
  if (limits.disabled !== false) {
    causes.push({
      certain: limits.disabled === true,
      name: 'kernel.kexec_load_disabled (it could not be read)',
      reason: 'kexec-disabled',
      summary: 'loading is switched off until the next boot (kernel.kexec_load_disabled)',
      hint: switchedOff ?? 'Reboot; find what sets kernel.kexec_load_disabled.',
    })
  }
  // The call itself counts: what is 0 after it may have been 1 before, and then it was not that.
  if (loadsLeft === 0) {
    const name = `kernel.kexec_load_limit_${panic ? 'panic' : 'reboot'}`
    causes.push({
      certain: true,
      name,
      reason: 'load-limit',
      summary: `the number of loads allowed since boot is used up (${name})`,
      hint: 'Reboot to load again.',
    })
  }
  const isLogged = log.some(({ value }) => /lockdown:.*kexec/i.test(value))
  if (isLogged || lockdown !== 'none') {
    causes.push({
      certain: isLogged,
      name: lockdown === null ? 'lockdown (it could not be read)' : `lockdown (${lockdown})`,
      reason: 'lockdown',
      summary: `the kernel is locked down${lockdown === null || lockdown === 'none' ? '' : ` (${lockdown})`} and trusts no signature on this image`,
      hint: "Load a kernel signed with a key in the kernel's keyrings (`linux-kexec policy` lists them), or boot without lockdown.",
    })
  }
  return causes
}

function causesBeyond({ seccomp }: KexecPolicy, modules: string | undefined): Cause[] {
  const causes: Cause[] = []
  if (seccomp !== 0) {
    causes.push({
      certain: false,
      name: 'a seccomp filter on this process',
      reason: 'not-permitted',
      summary: 'a seccomp filter on this process does not let the call through',
      hint: 'Run it outside of the container or service (SystemCallFilter=) that set the filter.',
    })
  }
  const active = modules?.split(',').filter((name) => mandatory.includes(name))
  if (active === undefined || active.length > 0) {
    const name = active === undefined ? 'a security module' : `a rule of ${active.join(' or ')}`
    causes.push({
      certain: false,
      name,
      reason: 'not-permitted',
      summary: `${name} does not allow it`,
      hint: 'Look for what concerns kexec or CAP_SYS_BOOT in the audit log (`ausearch -m AVC`, `dmesg`).',
    })
  }
  return causes
}

function undecided(causes: readonly Cause[]): Diagnosis {
  if (causes.length === 0) {
    return {
      reason: 'not-permitted',
      summary: 'not permitted, although process, switches, limits, lockdown, seccomp and security modules all allow it',
      hint: 'The evidence is what was read; please report it.',
    }
  }
  const reasons = new Set<Reason>(causes.map(({ reason }) => reason))
  const [reason = 'not-permitted'] = reasons
  return {
    reason: reasons.size === 1 ? reason : 'not-permitted',
    summary: `not permitted; what remains possible: ${causes.map(({ name }) => name).join(', ')}`,
    hint: causes.map(({ name, hint }) => `If ${name}: ${hint}`).join(' '),
  }
}
