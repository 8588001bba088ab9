import { closeSync, fsyncSync, openSync, readdirSync, renameSync } from 'node:fs'
import { lastParameter } from '../../cmdline/look-up.ts'
import { TRIAL_PARAMETER } from '../../cmdline/reuse.ts'
import { KexecError } from '../../errors.ts'
import { fieldsOf } from '../../state/fields.ts'
import type { StateDirectory } from '../../state/state-directory.ts'
import type { System } from '../../system/system.ts'
import type { TrialRecord } from '../model/trial.ts'
import { hasEnded } from './advance.ts'
import { parseTrialRecord, trialRecordOf, versionProblem } from './parse.ts'
import { trialDirectory } from './place.ts'

/** The latest trial, ended or not. */
const CURRENT = 'trial.json'

/** The trials before it. */
const HISTORY = 'trial-history.json'

/** Trials kept in the history. */
const MOST = 50

/** The files that a power cut leaves of an unfinished write: `putInPlace` of src/system/replace-file.ts. */
const UNFINISHED = /^\.trial[a-z-]*\.json\.[\da-f]{12}$/

/** The latest trial: its record, none, or a record that cannot be trusted, and why. */
export type FoundTrial = { readonly record: TrialRecord } | { readonly absent: true } | { readonly problem: string }

/** The trials of the past, the oldest first, and why some of them cannot be read. */
export interface TrialHistory {
  readonly trials: readonly TrialRecord[]
  readonly problem: string | null
}

/**
 * The records of a machine's trials. `trial.json` has the latest trial, in whatever state; it moves to the history when
 * the next one begins. So every step of a trial is one file, replaced in one step, and a power cut leaves the state before
 * it or after it. When a trial begins, the history is written first. A power cut then leaves the older trial in both
 * files, and readers count it once.
 */
export class TrialRecords {
  readonly #system: System
  readonly #directory: StateDirectory | string

  constructor(system: System) {
    this.#system = system
    this.#directory = trialDirectory(system)
  }

  /** The path of the latest trial's record, for messages. */
  get path(): string {
    return typeof this.#directory === 'string' ? CURRENT : this.#directory.pathOf(CURRENT)
  }

  /** The latest trial. Never throws. */
  latest(): FoundTrial {
    if (typeof this.#directory === 'string') return { problem: this.#directory }
    const found = this.#directory.read(CURRENT)
    if (!('text' in found)) return found
    const record = parseTrialRecord(found.text)
    return typeof record === 'string' ? { problem: `${this.path} cannot be trusted: ${record}` } : { record }
  }

  /** The trials before the latest. Never throws. */
  history(): TrialHistory {
    const found = this.#readHistory()
    const latest = this.latest()
    const id = 'record' in latest ? latest.record.id : undefined
    return { ...found, trials: found.trials.filter((trial) => trial.id !== id) }
  }

  /**
   * Writes the record of a new trial, and moves the one before it to the history. A damaged file is kept beside it, as
   * NAME.damaged.
   * @throws KexecError 'trial-state' while the trial before is running and not confirmed; 'trial-record' when the record
   * cannot be written
   */
  begin(record: TrialRecord): void {
    for (const _ of this.beginning(record));
  }

  /** The writes of `begin`, one at a time; each yields the file that was written. */
  *beginning(record: TrialRecord): Generator<string> {
    const latest = this.latest()
    if ('record' in latest) this.#refuseWhileItRuns(latest.record)
    const directory = this.#open()
    removeUnfinished(directory)
    if ('record' in latest) {
      this.#write(HISTORY, this.#withTrial(latest.record))
      yield HISTORY
    } else if ('problem' in latest) {
      putAside(directory, CURRENT)
      yield CURRENT
    }
    this.#write(CURRENT, record)
    yield CURRENT
  }

  /**
   * Writes the latest trial's record in its next state, from `advance`.
   * @param before called when the new record lies on the disk, right before it takes the place of the old one: if it
   * throws, the old record stays
   * @throws KexecError 'trial-record' when it cannot be written, or the error of `before`
   */
  update(record: TrialRecord, before?: () => void): void {
    const latest = this.latest()
    if (!('record' in latest) || latest.record.id !== record.id)
      throw notWritten(this.path, `it is no longer that of trial ${record.id}`)
    this.#write(CURRENT, record, before)
  }

  #refuseWhileItRuns({ id, state }: TrialRecord): void {
    if (hasEnded(state) || lastParameter(this.#system.runningCommandLine(), TRIAL_PARAMETER)?.value !== id) return
    throw new KexecError(`the running kernel is on trial (${id}) and is not confirmed`, {
      reason: 'trial-state',
      hint: 'Confirm it first: linux-kexec trial confirm',
      evidence: [{ source: '/proc/cmdline', value: `${TRIAL_PARAMETER}=${id}` }],
      refused: true,
    })
  }

  #readHistory(): TrialHistory {
    if (typeof this.#directory === 'string') return { trials: [], problem: this.#directory }
    const found = this.#directory.read(HISTORY)
    if ('absent' in found) return { trials: [], problem: null }
    if ('problem' in found) return { trials: [], problem: found.problem }
    const trials = parseHistory(found.text)
    return typeof trials === 'string'
      ? { trials: [], problem: `${this.#directory.pathOf(HISTORY)} cannot be trusted: ${trials}` }
      : { trials, problem: null }
  }

  #withTrial(record: TrialRecord): unknown {
    const { trials, problem } = this.#readHistory()
    if (problem !== null) putAside(this.#open(), HISTORY)
    const others = trials.filter(({ id }) => id !== record.id)
    return { schemaVersion: 1, trials: [...others, record].slice(-MOST) }
  }

  #open(): StateDirectory {
    if (typeof this.#directory === 'string') throw notWritten(CURRENT, this.#directory)
    try {
      this.#directory.make()
      return this.#directory
    } catch (error) {
      throw notWritten(this.path, error instanceof Error ? error.message : String(error), error)
    }
  }

  #write(name: string, value: unknown, before?: () => void): void {
    const directory = this.#open()
    let failure: { readonly error: unknown } | undefined
    const guarded = () => {
      try {
        before?.()
      } catch (error) {
        failure = { error }
        throw error
      }
    }
    try {
      directory.write(name, `${JSON.stringify(value, null, 2)}\n`, before === undefined ? undefined : guarded)
    } catch (error) {
      if (failure !== undefined) throw failure.error
      throw notWritten(directory.pathOf(name), error instanceof Error ? error.message : String(error), error)
    }
  }
}

function parseHistory(text: string): readonly TrialRecord[] | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not JSON, or is cut off'
  }
  const problem = versionProblem(value)
  if (problem !== undefined) return problem
  const list = fieldsOf(value)['trials']
  if (!Array.isArray(list) || list.length > MOST) return 'its field trials is wrong'
  const trials: TrialRecord[] = []
  for (const each of list) {
    const record = trialRecordOf(each)
    if (typeof record === 'string') return `trial ${trials.length + 1}: ${record}`
    trials.push(record)
  }
  return trials
}

/** Keeps a file that cannot be trusted, for people. @throws KexecError 'trial-record' */
function putAside(directory: StateDirectory, name: string): void {
  try {
    renameSync(directory.pathOf(name), directory.pathOf(`${name}.damaged`))
    const fd = openSync(directory.path, 'r')
    fsyncSync(fd)
    closeSync(fd)
  } catch (error) {
    throw notWritten(directory.pathOf(name), error instanceof Error ? error.message : String(error), error)
  }
}

function removeUnfinished(directory: StateDirectory): void {
  try {
    for (const name of readdirSync(directory.path)) if (UNFINISHED.test(name)) directory.remove(name)
  } catch {
    // A missing directory has none; another failure shows when the record is written.
  }
}

function notWritten(path: string, why: string, cause?: unknown): KexecError {
  return new KexecError(`the record of the trial cannot be written: ${why}`, {
    reason: 'trial-record',
    path,
    hint: 'Name a directory that can be written, and that outlives a reset, in /etc/linux-kexec/state-directory.',
    refused: true,
    cause,
  })
}
