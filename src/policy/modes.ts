import {
  type Cause,
  imaAgainstSegments,
  limitUsedUp,
  loadingDisabled,
  lockedAgainstSegments,
  noSuchCall,
} from './causes/causes.ts'
import { applyImaRules, parseImaRules } from './ima/rules.ts'
import type { ImaState } from './ima/state.ts'
import type { CallPolicy, LoadLimits, PolicyMode } from './policy.ts'
import { lockdownRefuses, type SignatureCheck } from './signature-check.ts'
import type { KernelConfiguration } from './survey/configuration.ts'
import { all, any, type Known } from './survey/known.ts'
import type { LockdownState } from './survey/lockdown.ts'

export interface ModeFacts {
  readonly configuration: KernelConfiguration
  /** The kernel has kexec at all. */
  readonly core: Known
  readonly limits: LoadLimits
  /** The remedy where a switch or a limit prevents loading: the source that sets it. */
  readonly remedy: string | null
  readonly lockdown: LockdownState | null
  readonly secureBoot: boolean | null
  readonly signature: SignatureCheck
  readonly ima: ImaState
}

/** The behaviour of kexec_file_load, in the order of the kernel's checks. */
export function modeOfFileLoad(facts: ModeFacts): CallPolicy {
  const { configuration, core, limits, signature, ima } = facts
  const supported = core === false ? false : configuration.has('KEXEC_FILE')
  if (supported === false) return unsupported('kexec_file_load')
  if (limits.disabled) return shut(loadingDisabled(facts.remedy), facts.remedy)
  if (limits.reboot === 0) return shut(limitUsedUp(false, facts.remedy), facts.remedy)
  const appraisal = imaOnKernels(ima)
  if (appraisal === 'hash' || appraisal === 'signature') {
    const what = appraisal === 'signature' ? 'signature' : 'hash or signature'
    return is('enforced', `IMA requires its own ${what} (security.ima) on every kernel`)
  }
  if (signature.required)
    return is('enforced', `only kernels signed with a key that this kernel trusts are accepted: ${cause(signature)}`)
  if (appraisal === 'depends') return is('unknown', 'it depends on the file: IMA appraises some files and not others')
  if (signature.required === null || appraisal === null)
    return is('unknown', 'too little could be read to determine it')
  return signature.verified
    ? is('permissive', 'signatures are verified, but a kernel that fails is accepted anyway')
    : is('unchecked', 'no signature is checked: any kernel is accepted')
}

/**
 * kexec_load gets no file, so nothing can be verified: it is allowed or refused (kexec_load_check of kernel/kexec.c).
 */
export function modeOfKexecLoad(facts: ModeFacts): CallPolicy {
  const { configuration, core, limits, lockdown, secureBoot, ima } = facts
  const { has } = configuration
  const supported = core === false ? false : has('KEXEC')
  if (supported === false) return unsupported('kexec_load')
  if (limits.disabled) return shut(loadingDisabled(facts.remedy), facts.remedy)
  if (limits.reboot === 0) return shut(limitUsedUp(false, facts.remedy), facts.remedy)
  // ima_load_data of ima_main.c comes before lockdown.
  const bySecureBoot = all(has('KEXEC_SIG'), ima.present, has('IMA_ARCH_POLICY'), secureBoot)
  if (bySecureBoot)
    return shut({
      ...imaAgainstSegments(true),
      summary: 'IMA refuses it under Secure Boot: only a file can carry a signature',
    })
  const byRule = all(ima.appraise === null ? null : ima.appraise === 'enforce', hasKernelRule(ima))
  if (byRule)
    return shut({ ...imaAgainstSegments(true), summary: 'IMA appraises kernels, and only a file can be appraised' })
  const byLockdown = lockdownRefuses(lockdown)
  if (byLockdown) return shut(lockedAgainstSegments(lockdown))
  if (any(bySecureBoot, byRule, byLockdown) === null) return is('unknown', 'too little could be read to determine it')
  return is('unchecked', 'any kernel is accepted: this call cannot check signatures')
}

/**
 * IMA's requirement on a kernel's file, the same for every file; 'depends' when it depends on the file, null when
 * unknown.
 */
export function imaOnKernels(ima: ImaState): 'none' | 'hash' | 'signature' | 'depends' | null {
  if (ima.present === false || (ima.appraise !== 'enforce' && ima.appraise !== null)) return 'none'
  if (ima.policy === null) return null
  const anyFile = { owner: null, fileSystem: null }
  const { requirement } = applyImaRules(ima.rules.flatMap(parseImaRules), 'KEXEC_KERNEL_CHECK', anyFile)
  if (requirement === 'none') return 'none'
  return ima.appraise === null ? null : (requirement ?? 'depends')
}

function hasKernelRule(ima: ImaState): Known {
  if (ima.present === false) return false
  if (ima.policy === null) return null
  return ima.rules.flatMap(parseImaRules).some(({ appraise, hook }) => appraise && hook === 'KEXEC_KERNEL_CHECK')
}

function cause({ requiredBy }: SignatureCheck): string {
  if (requiredBy === 'kernel-configuration') return 'it was built to require that'
  return requiredBy === 'secure-boot' ? 'Secure Boot is on' : 'it is locked down'
}

function is(mode: PolicyMode, why: string): CallPolicy {
  return { mode, why, reason: null, code: null, remedy: null }
}

/**
 * @param remedy how to undo the switch that prevents loading, where it is one
 */
function shut({ summary, reason, code }: Cause, remedy: string | null = null): CallPolicy {
  return { mode: 'disabled', why: summary, reason, code, remedy }
}

function unsupported(call: 'kexec_file_load' | 'kexec_load'): CallPolicy {
  const { summary, reason, code } = noSuchCall(call)
  return { mode: 'unsupported', why: summary, reason, code, remedy: null }
}
