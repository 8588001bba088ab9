import type { ImaState } from './ima/state.ts'
import type { KernelConfiguration } from './survey/configuration.ts'
import { all, any, type Known, not } from './survey/known.ts'
import { LOCKDOWN, type LockdownState } from './survey/lockdown.ts'
import type { Survey } from './survey/survey.ts'
import { kernelHasSymbol } from './survey/symbols.ts'

/** How kexec_file_load treats the signature on a kernel: kimage_validate_signature of kernel/kexec_file.c. */
export interface SignatureCheck {
  /** Whether it checks the signature. */
  readonly verified: boolean | null
  /** Whether it refuses a kernel whose signature it does not trust. */
  readonly required: boolean | null
  /** The reason: the kernel's build, Secure Boot, or lockdown. Null where nothing requires it. */
  readonly requiredBy: 'kernel-configuration' | 'secure-boot' | 'lockdown' | null
  /** The kind that it understands; 'none' when it has no code for any, so that every check fails. */
  readonly format: 'authenticode' | 'appended' | 'none' | null
  /** Whether it asks only the keys built into the kernel; null when unknown. */
  readonly onlyBuiltinKeys: boolean | null
}

export interface CheckSurvey {
  readonly configuration: KernelConfiguration
  readonly architecture: string | null
  readonly release: string | null
  readonly lockdown: LockdownState | null
  readonly secureBoot: boolean | null
  readonly ima: ImaState
}

/** Works out the running kernel's check, and whether it can refuse anything. */
export function readSignatureCheck(survey: Survey, facts: CheckSurvey): SignatureCheck {
  const { configuration, architecture, secureBoot, ima } = facts
  const { has } = configuration
  // Before 5.4 one option both enabled and required the check.
  const forced = any(has('KEXEC_SIG_FORCE'), has('KEXEC_VERIFY_SIG'))
  const built = any(has('KEXEC_SIG'), has('KEXEC_VERIFY_SIG'))
  const note = (text: string, option: string) => {
    const { source, value } = configuration.quote(option)
    survey.note('signature', text, source, value)
  }
  // Each is quoted as written: kernels before 5.4 have only the older one.
  const isOlder = has('KEXEC_VERIFY_SIG') === true
  if (built !== null) {
    const text = built ? 'kexec_file_load verifies signatures' : 'kexec_file_load verifies no signatures'
    note(text, isOlder ? 'KEXEC_VERIFY_SIG' : 'KEXEC_SIG')
  }
  // s390_verify_sig answers yes unless the machine was booted by secure IPL.
  const verified = architecture === 's390x' ? all(built, secureBoot) : built
  const byLockdown = lockdownRefuses(facts.lockdown)
  const bySecureBoot = all(secureBoot, has('IMA_ARCH_POLICY'), enforcesBySecureBoot(survey, facts))
  const requiredBy = all(verified, forced)
    ? 'kernel-configuration'
    : all(verified, bySecureBoot)
      ? 'secure-boot'
      : all(verified, byLockdown, not(ima.signatureGuaranteed))
        ? 'lockdown'
        : null
  if (requiredBy === 'kernel-configuration')
    note('the kernel was built to require a signature', isOlder ? 'KEXEC_VERIFY_SIG' : 'KEXEC_SIG_FORCE')
  if (requiredBy === 'secure-boot') note('a signature is required under Secure Boot', 'IMA_ARCH_POLICY')
  if (requiredBy === 'lockdown')
    survey.note('signature', 'a signature is required by lockdown', LOCKDOWN, facts.lockdown as string)
  return {
    verified,
    required: all(verified, any(forced, bySecureBoot, all(byLockdown, not(ima.signatureGuaranteed)))),
    requiredBy,
    format: verified === false ? null : formatOf(configuration, architecture),
    onlyBuiltinKeys: asksOnlyBuiltin(facts),
  }
}

export function lockdownRefuses(lockdown: LockdownState | null): Known {
  return lockdown === null ? null : lockdown !== 'none'
}

/**
 * arch_get_ima_policy of ima_efi.c calls set_kexec_sig_enforced since 5.19, and in stable series that took the change.
 * POWER and s390 have their own function, which does not.
 */
function enforcesBySecureBoot(survey: Survey, { architecture, release, configuration }: CheckSurvey): Known {
  if (architecture === 's390x' || architecture === 'ppc64' || architecture === 'ppc64le') return false
  if (configuration.has('KEXEC_SIG') === false || configuration.has('IMA_ARCH_POLICY') === false) return false
  const isNew = isAtLeast(release, 5, 19)
  return isNew === true ? true : kernelHasSymbol(survey, 'set_kexec_sig_enforced')
}

function formatOf({ has }: KernelConfiguration, architecture: string | null): SignatureCheck['format'] {
  const withOption = (option: string) => {
    const built = has(option)
    return built === null ? null : built ? 'authenticode' : 'none'
  }
  if (architecture === 'x86_64' || architecture === 'i686') return withOption('KEXEC_BZIMAGE_VERIFY_SIG')
  if (architecture === 'aarch64') return withOption('KEXEC_IMAGE_VERIFY_SIG')
  return architecture === 's390x' ? 'appended' : null
}

/** image_verify_sig of arm64 passed no keyring before 6.0, nor in stable series without the change. */
function asksOnlyBuiltin({ architecture, release }: CheckSurvey): Known {
  if (architecture !== 'aarch64') return false
  return isAtLeast(release, 6, 0) === true ? false : null
}

/** Whether a release is of this series or a later one. */
export function isAtLeast(release: string | null, major: number, minor: number): Known {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '')
  if (match === null) return null
  const [, first, second] = match.map(Number) as [number, number, number]
  return first > major || (first === major && second >= minor)
}
