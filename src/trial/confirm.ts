import { KexecError } from '../errors.ts'
import { Lock } from '../state/lock.ts'
import type { System } from '../system/system.ts'
import { noteConfirmed } from './last/note.ts'
import { undoChange } from './loader/change.ts'
import type { TrialGuards, TrialRecord } from './model/trial.ts'
import { advance } from './record/advance.ts'
import { TrialRecords } from './record/records.ts'
import { refuse } from './refuse.ts'
import { isOpen, statusOf, type TrialStatus, timeLeftOf } from './status.ts'

export interface Confirmation {
  /**
   * Stops or hands over the guards, so that they no longer reset the machine. It may be called again after an
   * interruption. If it throws, the trial is not confirmed.
   */
  readonly release: (guards: TrialGuards) => void
}

/**
 * Confirms the trial of the running kernel. The running system must be the one of the record, and its time must not be
 * over. A trial that is confirmed already stays so.
 *
 * The order: first the confirmed record is written beside the old one and reaches the disk; then the guards are released;
 * then the new record takes the place of the old one. Until the guards are released nothing has happened. After that they
 * cannot reset a confirmed machine. If this process ends between the last two steps, the machine is unguarded, its trial
 * is 'running' and later 'expired', and it can be confirmed again. A power cut at that moment starts the old kernel, and
 * the trial is 'taken-back'.
 * @throws KexecError 'no-trial', 'not-the-trial', 'trial-state', 'trial-record', 'busy', or the error of `release`
 */
export function confirmTrial(system: System, { release }: Confirmation): TrialStatus {
  return locked(system, (records) => {
    const status = statusOf(system, records.latest(), records)
    if (status.outcome === 'confirmed' && status.isRunning) {
      endOneShot(system, status.record)
      return status
    }
    const record = runningTrial(system, records, status)
    if (status.differences.length > 0) throw refuse(status, 'running')
    records.update(advance(startedOf(system, record), 'confirmed'), () => {
      if (timeLeftOf(system, record) === 0) throw refuse({ ...status, outcome: 'expired' }, 'running')
      release(record.guards)
    })
    noteConfirmed(system)
    endOneShot(system, record)
    return statusOf(system, records.latest(), records)
  })
}

/**
 * A fallback for one boot is of no use any more, and would start the old kernel once. Never throws: the trial is confirmed,
 * and `isChangeSet` shows what was left.
 */
function endOneShot(system: System, record: TrialRecord | null): void {
  if (record?.fallback?.variable !== 'next_entry') return
  try {
    undoChange(system, record.fallback)
  } catch {
    // A boot partition that cannot be written.
  }
}

/**
 * Ends the trial of the running kernel, because a check failed. The record says so before anything resets the machine.
 * @param reason one sentence
 * @throws KexecError 'no-trial', 'trial-state', 'trial-record', 'busy'
 */
export function failTrial(system: System, reason: string): TrialStatus {
  return locked(system, (records) => {
    const record = runningTrial(system, records, statusOf(system, records.latest(), records))
    records.update(advance(startedOf(system, record), 'failed', { reason }))
    return statusOf(system, records.latest(), records)
  })
}

/** Does work under the lock of loads and reboots, with the records. */
export function locked<Result>(system: System, work: (records: TrialRecords) => Result): Result {
  const lock = Lock.takeSync(system, 'trial')
  try {
    return work(new TrialRecords(system))
  } finally {
    lock.release()
  }
}

/**
 * The trial that runs and is not over. One whose time is over is recorded as expired.
 * @throws KexecError when there is none
 */
function runningTrial(system: System, records: TrialRecords, status: TrialStatus): TrialRecord {
  const { record } = status
  if (status.outcome === 'expired' && record !== null && isOpen(record)) noteExpired(system, records, record)
  if (record === null || status.outcome !== 'running') throw refuse(status, 'running')
  if (status.timeLeft === null)
    throw new KexecError('how long the running kernel has run is unknown, and so whether its trial has expired', {
      reason: 'not-readable',
      path: '/proc/uptime',
      hint: 'Mount it: mount -t proc proc /proc',
      refused: true,
    })
  return record
}

/** It has expired whether the record can say so or not. */
function noteExpired(system: System, records: TrialRecords, record: TrialRecord): void {
  try {
    records.update(advance(startedOf(system, record), 'expired'))
  } catch {
    // The time of the running kernel says the same.
  }
}

/**
 * The record of a trial whose kernel runs, as started. A kernel that was started by other means has none of our marks; its
 * start is then the start of the running kernel.
 */
function startedOf(system: System, record: TrialRecord): TrialRecord {
  if (record.state === 'started') return record
  const ran = record.deadline - (timeLeftOf(system, record) ?? record.deadline)
  return advance(record, 'started', { at: new Date(Date.now() - ran) })
}
