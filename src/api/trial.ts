import { checkOptions, flag, type OptionKinds } from '../options.ts'
import { System } from '../system/system.ts'
import { cancelTrial as cancelTrialOf } from '../trial/cancel.ts'
import { confirmTrial as confirmTrialOf } from '../trial/confirm.ts'
import { checkDefault, type MadeDefault, makeDefault } from '../trial/default/make-default.ts'
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

export interface ConfirmOptions {
  /** Also make the boot entry that was tried the boot loader's default. */
  readonly makeDefault?: boolean
}

const confirmKinds: OptionKinds<ConfirmOptions> = { makeDefault: flag }

/** A trial after its confirmation. */
export interface TrialConfirmation extends TrialStatus {
  /** How its entry is the default; null unless that was asked for. */
  readonly madeDefault: MadeDefault | null
}

/**
 * Confirms the trial of the running kernel, and releases its guards. Runs no programs: the checks and the programs of
 * `trial confirm` are the command's. A trial that is confirmed already stays so, and its entry can still be made the default.
 * @throws KexecError 'no-trial', 'not-the-trial', 'trial-state', 'trial-record', 'not-readable', 'busy'; with `makeDefault`
 * also 'default-unchanged' (refused before the confirmation, or a failure after it), 'io' (after it)
 */
export async function confirmTrial(options?: ConfirmOptions): Promise<TrialConfirmation> {
  const asked = checkOptions('confirmTrial()', options, confirmKinds)
  const system = new System()
  if (asked.makeDefault) await checkDefault(system)
  const status = confirmTrialOf(system, liveGuards)
  return { ...status, madeDefault: asked.makeDefault ? await makeDefault(system) : null }
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
