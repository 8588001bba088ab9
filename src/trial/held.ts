import { hasParameter } from '../cmdline/look-up.ts'
import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { loadedImages } from '../state/loaded-image.ts'
import type { System } from '../system/system.ts'
import type { TrialRecord } from './model/trial.ts'

/** Whether the loaded kernel is, as far as is known, the one of this trial. */
export function isTrialHeld(system: System, { id }: Pick<TrialRecord, 'id'>): boolean {
  const { state, record } = loadedImages({ system }).kernel
  return (state === 'ours' || state === 'unconfirmed') && hasParameter(record?.commandLine, TRIAL_PARAMETER, id)
}
