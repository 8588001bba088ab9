import { unloadLocked } from '../engine/unload.ts'
import type { System } from '../system/system.ts'
import { isTrialHeld } from './held.ts'
import { noteUnload } from './last/note.ts'
import type { GuardControl } from './model/guard-control.ts'
import type { TrialRecord } from './model/trial.ts'

/**
 * Unloads the kernel of a trial that does not run yet, and releases its guards. A kernel that was loaded in its place stays.
 * The caller holds the lock. @throws KexecError as `unload`
 */
export function unloadTrial(system: System, record: TrialRecord, control: GuardControl): void {
  if (isTrialHeld(system, record)) {
    unloadLocked(false)
    noteUnload()
  }
  // The reboot arms them.
  if (record.state === 'started') control.release(record.guards)
}
