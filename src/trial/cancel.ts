import type { System } from '../system/system.ts'
import { locked } from './confirm.ts'
import { undoChange } from './loader/change.ts'
import type { TrialRecord } from './model/trial.ts'
import { advance } from './record/advance.ts'
import { refuse } from './refuse.ts'
import { statusOf, type TrialStatus } from './status.ts'

export interface Cancellation {
  /** Why, one sentence. */
  readonly reason: string
  /**
   * Unloads the kernel of the trial and releases the guards that are armed already. It is called under the lock. If it
   * throws, the trial is not cancelled.
   */
  readonly unload: (record: TrialRecord) => void
}

/**
 * Cancels a trial before its kernel runs. A running trial cannot be cancelled: without its guards the machine would stay in a
 * kernel that nobody confirmed, and taking it back needs a reset. The kernel is unloaded before the record says
 * 'cancelled', so a kernel on a cancelled trial is never started; what was changed for its fallback is taken back.
 * @throws KexecError 'no-trial', 'trial-state' while it is running, 'trial-record', 'busy', or the error of `unload`
 */
export function cancelTrial(system: System, { reason, unload }: Cancellation): TrialStatus {
  return locked(system, (records) => {
    const status = statusOf(system, records.latest(), records)
    const { record, outcome } = status
    const isAhead = outcome === 'planned' || outcome === 'loaded' || outcome === 'started'
    if (record === null || !isAhead) throw refuse(status, 'ahead')
    records.update(advance(record, 'cancelled', { reason }), () => {
      unload(record)
      // Before the record, so that a boot loader's file that cannot be written leaves a trial to cancel again.
      if (record.fallback != null) undoChange(system, record.fallback)
    })
    return statusOf(system, records.latest(), records)
  })
}
