import { KexecError } from '../../errors.ts'
import type { TrialRecord, TrialState } from '../model/trial.ts'

/**
 * The states that can follow each one. A kernel can be found running before its record says 'started': it was started by
 * other means, or its loader was interrupted before it could write.
 */
const followers: Readonly<Record<TrialState, readonly TrialState[]>> = {
  planned: ['loaded', 'started', 'failed', 'cancelled'],
  loaded: ['started', 'failed', 'cancelled'],
  started: ['confirmed', 'failed', 'expired', 'cancelled'],
  confirmed: [],
  failed: [],
  expired: [],
  cancelled: [],
}

/** Whether a trial is over in this state. */
export function hasEnded(state: TrialState): boolean {
  return followers[state].length === 0
}

/** Whether the kernel of a trial in this state was not started yet. */
export function isAhead(state: TrialState): boolean {
  return state === 'planned' || state === 'loaded'
}

export interface Step {
  /** Why it failed or was cancelled, one sentence. */
  readonly reason?: string
  /** Default: now. */
  readonly at?: Date
}

/**
 * The record in its next state; nothing is written.
 * @throws KexecError 'trial-state' when the trial cannot reach this state any more, or not yet
 */
export function advance(record: TrialRecord, state: TrialState, { reason, at = new Date() }: Step = {}): TrialRecord {
  if (!followers[record.state].includes(state))
    throw new KexecError(`trial ${record.id} is ${record.state}; it cannot become ${state}`, {
      reason: 'trial-state',
      hint: 'linux-kexec trial status',
      evidence: [{ source: `trial ${record.id}`, value: `${record.state} since ${record.times[record.state]}` }],
      refused: true,
    })
  return {
    ...record,
    state,
    times: { ...record.times, [state]: at.toISOString() },
    reason: reason ?? null,
  }
}
