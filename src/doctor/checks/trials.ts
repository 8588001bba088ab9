import type { Evidence } from '../../errors.ts'
import { localTime } from '../../text.ts'
import type { TrialRecord } from '../../trial/model/trial.ts'
import { stageWords } from '../../trial/progress.ts'
import { differences } from '../../trial/record/differences.ts'
import { recordPlace } from '../../trial/record/outlives.ts'
import { PLACE_FILE, trialPlace } from '../../trial/record/place.ts'
import { type TrialOutcome, type TrialStatus, trialStatus } from '../../trial/status.ts'
import type { Finding, Subject } from '../examination/check.ts'
import type { Examination } from '../examination/examination.ts'
import { sentence } from '../examination/sentence.ts'

/** The last trial, and the directory that its record must outlive a reset in. */
export const trials: Subject<'trial' | 'trial-records'> = {
  name: 'trial',
  ids: ['trial', 'trial-records'],
  needsMachine: true,
  examine: (examination) => [lastTrial(examination), records(examination)],
}

const SHOW = 'linux-kexec trial, which shows how far it came'
const REBOOT = 'Reboot: a reset takes it back'

type Told = Omit<Finding<'trial'>, 'id' | 'evidence'>

function lastTrial({ system }: Examination): Finding<'trial'> {
  const status = trialStatus(system)
  const { record } = status
  const told =
    record === null ? withoutRecord(status) : { ...meanings[status.outcome](status, record), ...lessIfItRuns() }
  return { id: 'trial', ...told, evidence: evidenceOf(status) }

  /**
   * A kernel that did not pass may have been started since through the firmware: then its trial is of the past. The kernel that
   * loaded it runs after the reset anyway, and shows nothing where it is of the same release.
   */
  function lessIfItRuns(): Partial<Told> {
    if (record === null || status.isRunning || status.outcome === 'confirmed') return {}
    const { target, from } = record
    if (target.release === null || target.release === from.release) return {}
    return differences(system, target).every(({ source }) => source === '/proc/cmdline')
      ? { status: 'ok', summary: `The kernel of the last trial, ${record.id}, runs now; it was not started on trial.` }
      : {}
  }
}

/** Only root can read the records. */
function withoutRecord({ outcome, problem, runningTrial }: TrialStatus): Told {
  if (outcome === 'unrecorded') return unrecorded(runningTrial)
  if (outcome !== 'unreadable') return { status: 'ok', summary: 'No kernel was on trial yet.' }
  const summary = `Whether a kernel is or was on trial is unknown: ${problem}.`
  if (process.geteuid?.() !== 0) return { status: 'unknown', summary, remedy: 'Run it as root' }
  const remedy = 'Look at the file; the next trial keeps it as trial.json.damaged'
  return { status: 'warning', summary, remedy }
}

function unrecorded(id: string | null): Told {
  const summary = `The running kernel is on trial ${id}, and there is no record of it: it cannot be confirmed.`
  return { status: 'warning', summary, remedy: REBOOT }
}

const ok = (summary: string): Told => ({ status: 'ok', summary })

const meanings: Readonly<Record<TrialOutcome, (status: TrialStatus, record: TrialRecord) => Told>> = {
  none: () => ok('No kernel was on trial yet.'),
  unreadable: withoutRecord,
  unrecorded: ({ runningTrial }) => unrecorded(runningTrial),
  planned: (_, { id }) => ok(`Trial ${id} was planned; its kernel was not loaded.`),
  loaded: ({ isHeld }, { id }) =>
    ok(isHeld === false ? `The kernel of trial ${id} was unloaded.` : `The loaded kernel is on trial ${id}.`),
  started: ({ isHeld }, { id }) =>
    ok(isHeld === false ? `The kernel of trial ${id} was unloaded.` : `The reboot into trial ${id} has begun.`),
  running: (status, { id }) => running(status, id),
  confirmed: (_, { id, times }) => ok(`Trial ${id} was confirmed${at(times.confirmed)}.`),
  'taken-back': (status, record) => didNotPass(status, record, how(status, record)),
  failed: (status, record) =>
    status.isRunning
      ? stillRunning(record, `failed: ${record.reason ?? ''}`)
      : didNotPass(status, record, record.reason ?? ''),
  expired: (status, record) =>
    status.isRunning
      ? stillRunning(record, 'expired, and its kernel is still running')
      : didNotPass(status, record, 'it came up, and was not confirmed in time'),
  cancelled: ({ isRunning }, record) =>
    isRunning
      ? stillRunning(record, 'was cancelled, and its kernel is running')
      : ok(`Trial ${record.id} was cancelled.`),
}

function running({ timeLeft, differences: its }: TrialStatus, id: string): Told {
  const left = timeLeft === null ? 'in its time' : `within ${Math.round(timeLeft / 1000)} s`
  const summary = `The running kernel is on trial ${id}: the machine is reset unless it is confirmed ${left}.`
  if (its.length === 0) return { status: 'warning', summary, remedy: 'linux-kexec trial confirm' }
  const detail = ['It cannot be confirmed: the running system is not the one of its record.']
  return { status: 'warning', summary, detail, remedy: 'linux-kexec trial, which shows the differences' }
}

function stillRunning({ id }: TrialRecord, how: string): Told {
  return { status: 'warning', summary: sentence(`The trial ${id} of the running kernel ${how}`), remedy: REBOOT }
}

function didNotPass({ lastLines }: TrialStatus, { id, target, times }: TrialRecord, why: string): Told {
  const begin = times.started ?? times.loaded
  const summary = sentence(`The trial of ${target.kernel}${at(begin)} did not pass: ${why.replace(/\.$/, '')}`)
  const last = lastLines === null ? [] : [`The last messages of its kernel are in ${lastLines.path}.`]
  return { status: 'warning', summary, detail: [`Its id is ${id}.`, ...last], remedy: SHOW }
}

/** How far a trial came that something has taken back. */
function how({ progress }: TrialStatus, { times }: TrialRecord): string {
  if (progress !== null) return `${stageWords[progress.stage]}; the machine was reset before it was confirmed`
  return times.started === undefined
    ? 'it was loaded, and a start of it was not recorded'
    : 'it was started, and the machine was reset before it was confirmed'
}

function at(time: string | undefined): string {
  return time === undefined ? '' : ` at ${localTime(new Date(time))}`
}

function evidenceOf({ path, record, runningTrial }: TrialStatus): Evidence[] {
  const { id, state } = record ?? {}
  const ofRecord = id === undefined ? [] : [{ source: path, value: `${id}: ${state}` }]
  const ofKernel =
    runningTrial === null ? [] : [{ source: '/proc/cmdline', value: `linux_kexec.trial=${runningTrial}` }]
  return [...ofRecord, ...ofKernel]
}

function records({ system }: Examination): Finding<'trial-records'> {
  const id = 'trial-records'
  const place = trialPlace(system)
  if ('problem' in place) {
    const summary = `Where the records of trials lie is unknown: ${place.problem}.`
    return { id, status: 'warning', summary, remedy: `Correct ${PLACE_FILE}: one line with an absolute path` }
  }
  const { path } = place
  const found = recordPlace(system, path)
  if (found === undefined)
    return { id, status: 'unknown', summary: `Whether ${path} outlives a reset is unknown: the mounts cannot be read.` }
  const evidence = [found.evidence]
  const remedy = `Name a directory that can be written and outlives a reset in ${PLACE_FILE}`
  if (found.isInMemory) {
    const summary = `The records of trials do not outlive a reset: ${path} lies in memory (${found.words}).`
    const detail = ['A trial of a kernel could neither be confirmed nor be shown after it was taken back.']
    return { id, status: 'warning', summary, detail, evidence, remedy }
  }
  if (found.isReadOnly) {
    const summary = `No trial can be recorded: ${path} lies in a file system that is read-only (${found.words}).`
    return { id, status: 'warning', summary, evidence, remedy }
  }
  return { id, status: 'ok', summary: `Trials are recorded in ${path}.`, evidence }
}
