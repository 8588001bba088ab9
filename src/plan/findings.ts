import type { KexecError } from '../errors.ts'
import type { PlanDecision } from './model/decision.ts'
import { bySubject, type PlanWarning, type Remark, refusalsIn, type UncheckedFact } from './model/remark.ts'

/** The remarks of a plan, each list in the order of subjects. */
export interface Findings {
  readonly decisions: readonly PlanDecision[]
  readonly warnings: readonly PlanWarning[]
  readonly refusals: readonly KexecError[]
  readonly unchecked: readonly UncheckedFact[]
}

/** All findings, in order. */
export function sortFindings(decisions: readonly PlanDecision[], remarks: readonly Remark[]): Findings {
  const sorted = withoutRepeats(bySubject(remarks))
  return {
    decisions: bySubject(decisions),
    warnings: sorted.flatMap((remark) => ('warning' in remark ? [remark.warning] : [])),
    refusals: refusalsIn(sorted),
    unchecked: sorted.flatMap((remark) => ('unchecked' in remark ? [remark.unchecked] : [])),
  }
}

/** The layout stops at a fault that a check has already named better. */
function withoutRepeats(remarks: readonly Remark[]): Remark[] {
  const isLayout = ({ subject }: Remark) => subject === 'segments'
  const reasons = refusalsIn(remarks.filter((remark) => !isLayout(remark))).map(({ reason }) => reason)
  return remarks.filter(
    (remark) => !(isLayout(remark) && 'refusal' in remark && reasons.includes(remark.refusal.reason)),
  )
}
