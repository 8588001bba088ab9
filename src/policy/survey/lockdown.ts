import type { KernelConfiguration } from './configuration.ts'
import type { Survey } from './survey.ts'

export const LOCKDOWN = '/sys/kernel/security/lockdown'

export type LockdownState = 'none' | 'integrity' | 'confidentiality'

/** Reads the kernel's lockdown level; null when unknown. */
export function readLockdown(survey: Survey, configuration: KernelConfiguration): LockdownState | null {
  const text = survey.text(LOCKDOWN, 'whether the kernel is locked down')
  const state = parseLockdown(text)
  if (state !== null) {
    const meaning = state === 'none' ? 'the kernel is not locked down' : `the kernel is locked down (${state})`
    survey.note('lockdown', meaning, LOCKDOWN, text as string)
    return state
  }
  if (configuration.source !== null && configuration.has('SECURITY_LOCKDOWN_LSM') === false) {
    const { source, value } = configuration.quote('SECURITY_LOCKDOWN_LSM')
    survey.note('lockdown', 'the kernel has no lockdown', source, value)
    return 'none'
  }
  if (
    text === undefined &&
    !survey.unread.some(({ path }) => path === LOCKDOWN) &&
    survey.system.exists('/sys/kernel')
  ) {
    const adds = 'whether the kernel is locked down (mount -t securityfs none /sys/kernel/security)'
    survey.miss(LOCKDOWN, 'not there', adds)
  }
  return null
}

/** The word in brackets: `none [integrity] confidentiality`. */
export function parseLockdown(text: string | undefined): LockdownState | null {
  const word = /\[(none|integrity|confidentiality)\]/.exec(text ?? '')?.[1]
  return (word as LockdownState | undefined) ?? null
}
