import { System } from '../system/system.ts'
import { cancelTrial as cancelTrialOf } from '../trial/cancel.ts'
import { confirmTrial as confirmTrialOf } from '../trial/confirm.ts'
import { liveGuards } from '../trial/guards/control.ts'
import { type TrialStatus, trialStatus as trialStatusOf } from '../trial/status.ts'
import { unloadTrial } from '../trial/unload-trial.ts'
import { type MachineOption, machineOf } from './machine.ts'

/**
 * How the last trial stands, and whether the running kernel is the one on trial. Only root can read its record. Changes
 * nothing, and never fails on what it reads.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function trialStatus(options?: MachineOption): TrialStatus {
  return trialStatusOf(machineOf('trialStatus()', options))
}

/**
 * Confirms the trial of the running kernel, and releases its guards. Runs no checks; those of `trial confirm` are the
 * command's. A trial that is confirmed already stays so.
 * @throws KexecError 'no-trial', 'not-the-trial', 'trial-state', 'trial-record', 'not-readable', 'busy'
 */
export async function confirmTrial(): Promise<TrialStatus> {
  return confirmTrialOf(new System(), liveGuards)
}

/**
 * Cancels a trial whose kernel was not started, and unloads that kernel. A running trial cannot be cancelled.
 * @throws KexecError 'no-trial', 'trial-state', 'trial-record', 'not-readable', 'busy', or as `unload`
 */
export async function cancelTrial(): Promise<TrialStatus> {
  const system = new System()
  return cancelTrialOf(system, {
    reason: 'It was cancelled before its kernel was started.',
    unload: (record) => unloadTrial(system, record, liveGuards),
  })
}
