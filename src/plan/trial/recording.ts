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
import { advance } from '../../trial/record/advance.ts'
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

/**
 * Writes a trial's record before it is loaded, and its state after that.
 * @param load makes the load
 * @throws KexecError 'trial-record', 'trial-state', or the error of `load`: then nothing of it is loaded
 */
export async function recordingTrial(
  record: TrialRecord,
  { fallback, tried }: Pick<ChosenTrial, 'fallback' | 'tried'>,
  load: () => Promise<void>,
): Promise<void> {
  const records = new TrialRecords(live)
  records.begin(record)
  try {
    if (fallback !== null) await setFallback(live, fallback, tried)
    await load()
  } catch (error) {
    const why = error instanceof KexecError ? error.summary : String(error)
    if (record.fallback != null) undoFallback(live, record.fallback)
    records.update(advance(record, 'failed', { reason: `It was not loaded: ${why}.` }))
    throw error
  }
  try {
    records.update(advance(record, 'loaded'))
  } catch (error) {
    unloadLocked(false)
    throw error
  }
}

/** The record of a trial that is about to be loaded. */
export function plannedRecord(
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
  if (!('record' in latest) || !isWaiting(latest.record)) return undefined
  try {
    if (latest.record.fallback != null) undoFallback(live, latest.record.fallback)
    records.update(advance(latest.record, 'cancelled', { reason }))
    return undefined
  } catch (error) {
    const why = error instanceof KexecError ? error.summary : String(error)
    return `trial ${latest.record.id} is over, but ${why}`
  }
}

/** Whether it was loaded by the running kernel, and not started yet. */
function isWaiting({ state, from }: TrialRecord): boolean {
  return (state === 'planned' || state === 'loaded') && from.bootId === bootIdOf(live)
}
