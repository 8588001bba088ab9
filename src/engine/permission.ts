import type { Evidence, Reason } from '../errors.ts'
import {
  type Cause,
  imaAgainstFile,
  imaAgainstSegments,
  limitUsedUp,
  loadingDisabled,
  lockedDown,
  noCapability,
  otherUserNamespace,
  seccompFilter,
  securityModule,
} from '../policy/causes/causes.ts'
import { parseImaRules } from '../policy/ima/rules.ts'
import type { KexecPolicy } from '../policy/policy.ts'
import type { ProcessConfinement } from '../policy/process/confinement.ts'
import { MODULES } from '../policy/process/confinement.ts'
import type { Known } from '../policy/survey/known.ts'
import type { System } from '../system/system.ts'
import type { Diagnosis, FailedCall } from './failed-call.ts'

/** One cause of EPERM or EACCES: certain, or only possible. */
interface Possible extends Cause {
  readonly certain: boolean
}

/** Security modules that can refuse actions that capabilities allow; the others of the list cannot. */
const mandatory = ['selinux', 'apparmor', 'smack', 'tomoyo', 'bpf', 'loadpin', 'ipe']

/**
 * EPERM has seven causes, and EACCES three, and only the state around the call distinguishes them. A certain one is the
 * cause; without one, all possible causes are named.
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
  const [only, ...others] = causes
  const found = causes.find(({ certain }) => certain) ?? (others.length === 0 ? only : undefined)
  return { diagnosis: found === undefined ? undecided(causes) : diagnosisOf(found), evidence }
}

function diagnosisOf({ reason, summary, remedy }: Cause): Diagnosis {
  return { reason, summary, hint: remedy }
}

function causesInProcess({ capability, namespaces, uid }: KexecPolicy): Possible[] {
  const causes: Possible[] = []
  if (capability !== true) causes.push({ ...noCapability(uid), certain: capability === false })
  if (namespaces.user !== true) causes.push({ ...otherUserNamespace, certain: namespaces.user === false })
  return causes
}

function causesInKernel(policy: KexecPolicy, { panic, loadsLeft, log }: FailedCall): Possible[] {
  const { limits, lockdown } = policy
  const switchedOff = policy.kexecFileLoad.remedy ?? policy.kexecLoad.remedy
  const causes: Possible[] = []
  if (limits.disabled !== false) causes.push({ ...loadingDisabled(switchedOff), certain: limits.disabled === true })
  // The call itself counts: a limit of 0 after it may have been 1 before, and was then not the cause.
  if (loadsLeft === 0) causes.push({ ...limitUsedUp(panic, null), certain: true })
  const isLogged = log.some(({ value }) => /lockdown:.*kexec/i.test(value))
  if (isLogged || lockdown !== 'none') causes.push({ ...lockedDown(lockdown), certain: isLogged })
  return causes
}

/** IMA, where its rules concern kernels, or may. */
function causesInAppraisal(policy: KexecPolicy, { syscall, log }: FailedCall): Possible[] {
  const isLogged = log.some(({ value }) => /appraise|\bima\b/i.test(value))
  const byCall = syscall === 'kexec_load' && policy.kexecLoad.reason === 'ima-appraisal'
  const appraises = syscall === 'kexec_load' && policy.kexecLoad.mode === 'unchecked' ? false : appraisesKernels(policy)
  if (!isLogged && appraises === false) return []
  const certain = isLogged || byCall
  const isRead = appraises !== null
  return [{ ...(syscall === 'kexec_load' ? imaAgainstSegments(isRead) : imaAgainstFile(null, isRead)), certain }]
}

/** Whether IMA has a rule that may refuse a kernel or an initrd. */
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

function nameOf({ module, label }: ProcessConfinement): string {
  return label === null ? titles[module] : `${titles[module]} (${label})`
}

function causesBeyond(
  { seccomp, confinement }: KexecPolicy,
  modules: string | undefined,
  call: FailedCall,
): Possible[] {
  const causes: Possible[] = seccomp === 0 ? [] : [{ ...seccompFilter, certain: false }]
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
  return [...causes, { ...securityModule(name), certain: denial !== undefined }]
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
    hint: causes.map(({ name, remedy }) => `If ${name}: ${remedy}`).join(' '),
  }
}
