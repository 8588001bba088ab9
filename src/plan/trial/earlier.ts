import type { KernelImage } from '../../image/model/image.ts'
import { localTime } from '../../text.ts'
import type { TrialRecord, TrialTarget } from '../../trial/model/trial.ts'
import { TrialRecords } from '../../trial/record/records.ts'
import { statusOf, type TrialOutcome } from '../../trial/status.ts'
import type { Context } from '../context/context.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { buildOf } from './recording.ts'

const { warning } = remarksOn('kernel')

/** Warns of a kernel that was on trial before and did not pass: it may fail again. Only root can read the records. */
export function checkEarlierTrials({ system, kernel: { file, image } }: Context): Remark[] {
  const records = new TrialRecords(system)
  const latest = records.latest()
  const { outcome } = statusOf(system, latest, records)
  const last = 'record' in latest && isFailure(outcome) ? [latest.record] : []
  const failed = [...records.history().trials.filter(({ state }) => isFailure(state)), ...last]
  const its = failed.findLast(({ target }) => target.kernel === file.path && isOfBuild(target, image))
  return its === undefined ? [] : [warning('failed-trial', textOf(its))]
}

/** A kernel that was built again since is another one, where both tell their build. */
function isOfBuild(target: TrialTarget, { version: release, versionString }: KernelImage): boolean {
  const build = buildOf(release, versionString)
  const isSameBuild = target.version == null || build === null || target.version === build
  return target.release === release && isSameBuild
}

/** A trial that was started, and is over without an end in its record, was taken back by a reset. */
function isFailure(outcome: TrialOutcome): boolean {
  return outcome === 'started' || outcome === 'taken-back' || outcome === 'failed' || outcome === 'expired'
}

function textOf({ times, reason, id }: TrialRecord): string {
  const begin = times.started ?? times.loaded ?? times.planned
  const when = begin === undefined ? '' : ` at ${localTime(new Date(begin))}`
  const why = reason === null ? 'it was not confirmed, and the machine was reset' : reason.replace(/\.$/, '')
  return `this kernel was on trial${when} (${id}) and did not pass: ${why}; boot it once through the firmware, at the console, to see why`
}
