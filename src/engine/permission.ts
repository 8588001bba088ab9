import type { Evidence, Reason } from '../errors.ts'
import { parseImaRules } from '../policy/ima/rules.ts'
import type { KexecPolicy } from '../policy/policy.ts'
import type { Confinement } from '../policy/process/confinement.ts'
import { MODULES } from '../policy/process/confinement.ts'
import { hintForCapability } from '../policy/process/privileges.ts'
import type { Known } from '../policy/survey/known.ts'
import type { System } from '../system/system.ts'
import type { Diagnosis, FailedCall } from './failed-call.ts'

/** One cause of EPERM or EACCES: whether it was this one, or may have been. */
interface Cause extends Diagnosis {
  readonly certain: boolean
  /** To complete "what remains possible: …". */
  readonly name: string
}

/** Security modules that can refuse what capabilities allow; the others of the list cannot. */
const mandatory = ['selinux', 'apparmor', 'smack', 'tomoyo', 'bpf', 'loadpin', 'ipe']

/**
 * EPERM has seven causes, and EACCES three, and only the state around the call tells which. One that is certain is the cause;
 * else those that remain possible are all named.
 */
export function diagnosePermission(
  system: System,
  policy: KexecPolicy,
  call: FailedCall,
  errno: 'EPERM' | 'EACCES',
): { readonly diagnosis: Diagnosis; readonly evidence: readonly Evidence[] } {
  const modules = system.readText(MODULES)?.trim()
  const own =
    errno === 'EPERM' ? [...causesInProcess(policy), ...causesInKernel(policy, call)] : causesInAppraisal(policy, call)
  const causes = [...own, ...causesBeyond(policy, modules, call)]
  const evidence = modules === undefined ? [] : [{ source: MODULES, value: modules }]
  const certain = causes.find((cause) => cause.certain)
  const [only, ...others] = causes
  if (certain !== undefined || (only !== undefined && others.length === 0)) {
    return { diagnosis: certain ?? (only as Cause), evidence }
  }
  return { diagnosis: undecided(causes), evidence }
}

function causesInProcess({ capability, namespaces, uid }: KexecPolicy): Cause[] {
  const causes: Cause[] = []
  if (capability !== true) {
    causes.push({
      certain: capability === false,
      name: 'no CAP_SYS_BOOT (/proc/self/status could not be read)',
      reason: 'no-capability',
      summary: 'this process does not have CAP_SYS_BOOT',
      hint: hintForCapability(uid),
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

/** IMA, where its rules are about kernels, or may be. */
function causesInAppraisal(policy: KexecPolicy, { syscall, log }: FailedCall): Cause[] {
  const isLogged = log.some(({ value }) => /appraise|\bima\b/i.test(value))
  const byCall = syscall === 'kexec_load' && policy.kexecLoad.reason === 'ima-appraisal'
  const appraises = syscall === 'kexec_load' && policy.kexecLoad.mode === 'unchecked' ? false : appraisesKernels(policy)
  if (!isLogged && appraises === false) return []
  const common = { certain: isLogged || byCall, reason: 'ima-appraisal' } as const
  const name = appraises === null ? 'IMA (its rules could not be read)' : 'IMA'
  if (syscall === 'kexec_load')
    return [
      {
        ...common,
        name,
        summary: "IMA does not allow kexec_load, since only a kernel's file can carry a signature",
        hint: 'Load it with --engine file.',
      },
    ]
  return [
    {
      ...common,
      name,
      summary: "IMA refused the kernel's or the initrd's file",
      hint: 'Sign the file with a key that IMA trusts (evmctl ima_sign); the audit log says which file and why.',
    },
  ]
}

/** Whether IMA has a rule by which it may refuse a kernel or an initrd. */
function appraisesKernels({ ima }: KexecPolicy): Known {
  if (ima.present === false || (ima.appraise !== null && ima.appraise !== 'enforce')) return false
  if (ima.policy === null) return null
  const concerns = ima.rules
    .flatMap(parseImaRules)
    .some(({ appraise, hook }) => appraise && (hook === null || hook.startsWith('KEXEC_')))
  return concerns && ima.appraise === null ? null : concerns
}

const titles = {
  apparmor: 'AppArmor',
  selinux: 'SELinux',
  loadpin: 'LoadPin',
  ipe: 'IPE',
  unknown: 'a security module',
}

function nameOf({ module, label }: Confinement): string {
  return label === null ? titles[module] : `${titles[module]} (${label})`
}

function causesBeyond({ seccomp, confinement }: KexecPolicy, modules: string | undefined, call: FailedCall): Cause[] {
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
  const [denial] = call.log.filter(({ value }) => /\bavc: +denied|apparmor="DENIED"|ipe_access|loadpin/i.test(value))
  const active = modules?.split(',').filter((name) => mandatory.includes(name))
  const confines = confinement.filter(({ module }) => module !== 'unknown').map(nameOf)
  if (denial === undefined && confines.length === 0 && active?.length === 0) return causes
  const name =
    confines.length > 0
      ? confines.join(' or ')
      : active === undefined || active.length === 0
        ? 'a security module'
        : `a rule of ${active.join(' or ')}`
  causes.push({
    certain: denial !== undefined,
    name,
    reason: 'not-permitted',
    summary: `${name} does not allow it`,
    hint: 'Run it from an unconfined shell of the host; the audit log says what was refused (`ausearch -m AVC`, `dmesg`).',
  })
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
