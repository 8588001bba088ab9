import { hasParameter } from '../cmdline/look-up.ts'
import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { unloadLocked } from '../engine/unload.ts'
import { loadedImages } from '../state/loaded-image.ts'
import type { System } from '../system/system.ts'
import type { GuardControl } from './model/guard-control.ts'
import type { TrialRecord } from './model/trial.ts'

/**
 * Unloads the kernel of a trial that does not run yet, and releases its guards. A kernel that was loaded in its place stays.
 * The caller holds the lock. @throws KexecError as `unload`
 */
export function unloadTrial(system: System, { id, state: stage, guards }: TrialRecord, control: GuardControl): void {
  const { state, record } = loadedImages({ system }).kernel
  const isHeld = state === 'ours' || state === 'unconfirmed'
  if (isHeld && hasParameter(record?.commandLine, TRIAL_PARAMETER, id)) unloadLocked(false)
  // The reboot arms them.
  if (stage === 'started') control.release(guards)
}
