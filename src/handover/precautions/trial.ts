import { KexecError } from '../../errors.ts'
import { bootIdOf } from '../../state/record.ts'
import type { System } from '../../system/system.ts'
import { armWatchdog, releaseWatchdog } from '../../trial/guards/arm-watchdog.ts'
import { isTrialHeld } from '../../trial/held.ts'
import { advance, isAhead } from '../../trial/record/advance.ts'
import { TrialRecords } from '../../trial/record/records.ts'

/**
 * Starts the trial that the loaded kernel is on, right before anything is stopped: notes it, and arms its watchdog. Does
 * nothing where the kernel was loaded plainly, or the trial has begun already.
 * @returns one sentence for the user; undefined without a trial
 * @throws KexecError 'trial-record' when it cannot be noted, or the errors of `armWatchdog`: nothing was changed then
 */
export function startTrial(system: System): string | undefined {
  const records = new TrialRecords(system)
  const latest = records.latest()
  if (!('record' in latest) || !isAhead(latest.record.state) || !isTrialHeld(system, latest.record)) return undefined
  const { record } = latest
  const { watchdog } = record.guards
  // In this order a power cut finds either no trial, or a trial that began.
  records.update(advance(record, 'started'), () => {
    if (watchdog?.armedBy === 'linux-kexec') armWatchdog(system, watchdog)
  })
  return `Trial ${record.id} begins: confirm the new kernel within ${record.deadline / 1000} s of its start.`
}

/**
 * Ends a trial whose kernel was not started after all: the running one goes on, and its watchdog must not reset it. Never
 * throws, since the caller has an error to report.
 */
export function abandonTrial(system: System, cause: unknown): void {
  const latest = new TrialRecords(system).latest()
  if (!('record' in latest) || latest.record.state !== 'started') return
  const { record } = latest
  if (record.from.bootId !== bootIdOf(system)) return
  const why = cause instanceof KexecError ? cause.summary : String(cause)
  try {
    const { watchdog } = record.guards
    if (watchdog?.armedBy === 'linux-kexec') releaseWatchdog(system, watchdog)
    new TrialRecords(system).update(advance(record, 'failed', { reason: `The reboot did not start it: ${why}.` }))
  } catch {
    // The error that ended the reboot says more.
  }
}
