import { createHash } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { fileBytes, memoryBytes } from '../../bytes/bytes.ts'
import { unloadLocked } from '../../engine/unload.ts'
import { KexecError } from '../../errors.ts'
import { isComplete } from '../../image/model/banner.ts'
import type { KernelImage } from '../../image/model/image.ts'
import { buildIdOfElf, readBuildId } from '../../image/unpack/build-id.ts'
import { bootIdOf } from '../../state/record.ts'
import { System } from '../../system/system.ts'
import { setFallback } from '../../trial/fallback/fallback.ts'
import { undoChange } from '../../trial/loader/change.ts'
import type { TrialRecord } from '../../trial/model/trial.ts'
import { advance, isAhead } from '../../trial/record/advance.ts'
import { TrialRecords } from '../../trial/record/records.ts'
import type { Context } from '../context/context.ts'
import type { ChosenTrial } from './choice.ts'
import { triedEntry } from './tried-entry.ts'

/** What is loaded, as far as the record of a trial needs it. */
export interface LoadedTrial {
  readonly commandLine: string
  readonly kernelFd: number
  /** The kernel that is started unpacked; null where it unpacks itself. */
  readonly unpackedKernel: { readonly content: Buffer } | null
  /** -1 for none. */
  readonly initrdFd: number
}

const live = new System()

/** Makes a load, with what has to be written down before and after it. */
export type RecordedLoad = (load: () => Promise<void>) => Promise<void>

/**
 * Prepares the record of a trial; kernel and initrd are read now. The result writes it before the load, and its state after
 * that.
 * @returns it throws KexecError 'trial-record', 'trial-state', or the error of the load: then nothing is loaded for the trial
 */
export async function recordingTrial(
  context: Context,
  trial: ChosenTrial,
  loaded: LoadedTrial,
  signal?: AbortSignal,
): Promise<RecordedLoad> {
  const buildId = await buildIdOf(context.kernel.image, loaded, signal)
  const record = plannedRecord(context, trial, { ...loaded, buildId })
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
    if (record.fallback != null) undoChange(live, record.fallback)
    records.update(advance(record, 'failed', { reason: `It was not loaded: ${wordsOf(error)}.` }))
  } catch {
    // It stays 'planned', which says that the load did not finish.
  }
}

function wordsOf(error: unknown): string {
  return error instanceof KexecError ? error.summary : String(error)
}

function plannedRecord(
  context: Context,
  { id, deadline, guards, rollback, fallback, tried }: ChosenTrial,
  { commandLine, initrdFd, buildId }: LoadedTrial & { readonly buildId: string | null },
): TrialRecord {
  const { file, image } = context.kernel
  const { version: release, versionString } = image
  return {
    schemaVersion: 1,
    id,
    state: 'planned',
    times: { planned: new Date().toISOString() },
    reason: null,
    deadline,
    guards,
    target: {
      kernel: file.path,
      release,
      buildId,
      version: buildOf(release, versionString),
      commandLine,
      initrdSha256: hashOf(initrdFd),
      entry: triedEntry(context, tried),
    },
    rollback,
    fallback: fallback?.change ?? null,
    from: { release: live.runningRelease() ?? 'unknown', bootId: bootIdOf(live) ?? 'unknown' },
  }
}

/** @throws KexecError 'aborted' */
async function buildIdOf(
  image: KernelImage,
  { kernelFd, unpackedKernel }: LoadedTrial,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  if (unpackedKernel !== null) return buildIdOfElf(memoryBytes(unpackedKernel.content))
  return await readBuildId(fileBytes(kernelFd, fstatSync(kernelFd).size), image, signal)
}

/** The end of a kernel's version line: UTS_VERSION of init/Makefile. */
export function buildOf(version: string | null, versionString: string | null): string | null {
  if (version === null || versionString === null || !isComplete({ version, versionString })) return null
  return /#\d.*$/.exec(versionString)?.[0].trimEnd() ?? null
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
    if (record.fallback != null) undoChange(live, record.fallback)
    records.update(advance(record, 'cancelled', { reason }))
    return undefined
  } catch (error) {
    return `trial ${record.id} is over, but ${wordsOf(error)}`
  }
}
