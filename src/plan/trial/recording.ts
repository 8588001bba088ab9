import { createHash } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { fileBytes } from '../../bytes/bytes.ts'
import { unloadLocked } from '../../engine/unload.ts'
import { KexecError } from '../../errors.ts'
import { bootIdOf } from '../../state/record.ts'
import { System } from '../../system/system.ts'
import { setFallback } from '../../trial/fallback/fallback.ts'
import { undoFallback } from '../../trial/grub/block-file.ts'
import type { TrialRecord } from '../../trial/model/trial.ts'
import { advance, isAhead } from '../../trial/record/advance.ts'
import { TrialRecords } from '../../trial/record/records.ts'
import type { Context } from '../context/context.ts'
import type { ChosenTrial } from './choice.ts'

/** What is loaded, as far as the record of a trial needs it. */
export interface LoadedTrial {
  readonly commandLine: string
  /** -1 for none. */
  readonly initrdFd: number
}

const live = new System()

/** Makes a load, with what has to be written down before and after it. */
export type RecordedLoad = (load: () => Promise<void>) => Promise<void>

/**
 * Prepares the record of a trial; the initrd is read now. The result writes it before the load, and its state after that.
 * @returns it throws KexecError 'trial-record', 'trial-state', or the error of the load: then nothing is loaded for the trial
 */
export function recordingTrial(context: Context, trial: ChosenTrial, loaded: LoadedTrial): RecordedLoad {
  const record = plannedRecord(context, trial, loaded)
  const { fallback, tried } = trial
  return async (load) => {
    const records = new TrialRecords(live)
    records.begin(record)
    try {
      if (fallback !== null) await setFallback(live, fallback, tried)
      await load()
    } catch (error) {
      endFailed(records, record, error)
      throw error
    }
    try {
      records.update(advance(record, 'loaded'))
    } catch (error) {
      unloadLocked(false)
      throw error
    }
  }
}

/** Never throws: the error of the load says more than one about its record. */
function endFailed(records: TrialRecords, record: TrialRecord, error: unknown): void {
  try {
    if (record.fallback != null) undoFallback(live, record.fallback)
    records.update(advance(record, 'failed', { reason: `It was not loaded: ${wordsOf(error)}.` }))
  } catch {
    // It stays 'planned', which says that the load did not finish.
  }
}

function wordsOf(error: unknown): string {
  return error instanceof KexecError ? error.summary : String(error)
}

function plannedRecord(
  { kernel: { file, image } }: Context,
  { id, deadline, guards, rollback, fallback }: ChosenTrial,
  { commandLine, initrdFd }: LoadedTrial,
): TrialRecord {
  return {
    schemaVersion: 1,
    id,
    state: 'planned',
    times: { planned: new Date().toISOString() },
    reason: null,
    deadline,
    guards,
    target: { kernel: file.path, release: image.version, commandLine, initrdSha256: hashOf(initrdFd) },
    rollback,
    fallback: fallback?.change ?? null,
    from: { release: live.runningRelease() ?? 'unknown', bootId: bootIdOf(live) ?? 'unknown' },
  }
}

/** Bytes hashed in one step. */
const STEP = 4 * 1024 * 1024

function hashOf(fd: number): string | null {
  if (fd === -1) return null
  const { size } = fstatSync(fd)
  const source = fileBytes(fd, size)
  const hash = createHash('sha256')
  for (let offset = 0; offset < size; offset += STEP) hash.update(source.read(offset, Math.min(STEP, size - offset)))
  return hash.digest('hex')
}

/**
 * Ends the trial of a kernel that is no longer loaded. Never throws.
 * @returns the failure to write it down; undefined without one
 */
export function endLoadedTrial(reason: string): string | undefined {
  const records = new TrialRecords(live)
  const latest = records.latest()
  if (!('record' in latest)) return undefined
  const { record } = latest
  if (!isAhead(record.state) || record.from.bootId !== bootIdOf(live)) return undefined
  try {
    if (record.fallback != null) undoFallback(live, record.fallback)
    records.update(advance(record, 'cancelled', { reason }))
    return undefined
  } catch (error) {
    return `trial ${record.id} is over, but ${wordsOf(error)}`
  }
}
