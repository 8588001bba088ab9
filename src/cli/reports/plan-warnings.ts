import type { LoadPlan } from '../../plan/load-plan.ts'
import type { WarningCode } from '../../plan/model/codes.ts'
import type { PlanWarning } from '../../plan/model/remark.ts'

/** Facts that `load()` reports in an error of its own. */
const ofProcess = new Set<WarningCode>(['no-capability', 'not-init-user-namespace'])

/**
 * The warnings to show before a load. A lack of privilege is left to the error of the following load, unless there is
 * none: the plan refuses for another reason, or the kernel is asked anyway.
 */
export function warningsBeforeLoad(
  { warnings, refusals }: Pick<LoadPlan, 'warnings' | 'refusals'>,
  tryAnyway: boolean,
): readonly PlanWarning[] {
  const isAsked = refusals.length === 0 && !tryAnyway
  return isAsked ? warnings.filter(({ code }) => !ofProcess.has(code)) : warnings
}
