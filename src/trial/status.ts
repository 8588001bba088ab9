import { lastParameter } from '../cmdline/look-up.ts'
import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { bootIdOf } from '../state/record.ts'
import { status as loadStatus } from '../system/kexec-state.ts'
import type { System } from '../system/system.ts'
import { keptMessages, type LastLines, lastOf } from './last-lines.ts'
import type { TrialRecord } from './model/trial.ts'
import { progressIn, type TrialProgress } from './progress.ts'
import { differences, type TrialDifference } from './record/differences.ts'
import { type FoundTrial, TrialRecords } from './record/records.ts'

/** How a trial stands. */
export const trialOutcomes = [
  /** There is no record, and the running kernel is not on trial. */
  'none',
  /** The record cannot be trusted. */
  'unreadable',
  /** The running kernel is on trial, and there is no record of its trial. */
  'unrecorded',
  /** The record was written, and the load did not finish. */
  'planned',
  /** The kernel is loaded and not started yet. */
  'loaded',
  /** The reboot into it has begun. */
  'started',
  /** It runs and is not confirmed yet. */
  'running',
  'confirmed',
  /** Another kernel runs now, and it was not confirmed. */
  'taken-back',
  'failed',
  'expired',
  'cancelled',
] as const
export type TrialOutcome = (typeof trialOutcomes)[number]

/** The last trial, from its record and the running system. */
export interface TrialStatus {
  readonly outcome: TrialOutcome
  /** The path of the record. */
  readonly path: string
  /** The record of the last trial; null without one that can be trusted. */
  readonly record: TrialRecord | null
  /** Why the record cannot be trusted; null when it can, or when there is none. */
  readonly problem: string | null
  /** The id on the running kernel's command line; null when it is not on trial. */
  readonly runningTrial: string | null
  /** Whether the running kernel was started on the trial of the record. */
  readonly isRunning: boolean
  /** What differs between the running system and the record; empty when the trial's kernel is not running. */
  readonly differences: readonly TrialDifference[]
  /** Milliseconds until it expires; null unless it is running and not confirmed. */
  readonly timeLeft: number | null
  /** Whether the kernel still holds it, while it is loaded or started; null when that is unknown, or no question. */
  readonly isHeld: boolean | null
  /** The last messages of the kernel that died, when it was taken back and they were kept. */
  readonly lastLines: LastLines | null
  /** How far its kernel came, when it was taken back and a message that was kept shows it. */
  readonly progress: TrialProgress | null
}

/**
 * How the last trial stands, and whether the running kernel is the one on trial. It goes by the record, the running command
 * line, the release and the boot id. The boot loader's own variables, LoaderEntrySelected and boot counting among them,
 * are of the boot before a kexec and count for nothing here. Writes nothing, and never fails on what it reads.
 */
export function trialStatus(system: System): TrialStatus {
  const records = new TrialRecords(system)
  return statusOf(system, records.latest(), records)
}

/** As `trialStatus`, of a record that was read. */
export function statusOf(system: System, found: FoundTrial, records: TrialRecords): TrialStatus {
  const runningTrial = lastParameter(system.runningCommandLine(), TRIAL_PARAMETER)?.value ?? null
  const nothing = {
    path: records.path,
    record: null,
    problem: null,
    runningTrial,
    isRunning: false,
    differences: [],
    timeLeft: null,
    isHeld: null,
    lastLines: null,
    progress: null,
  }
  if ('problem' in found) return { ...nothing, outcome: 'unreadable', problem: found.problem }
  const isKnown = (id: string) => records.history().trials.some((trial) => trial.id === id)
  if ('absent' in found)
    return { ...nothing, outcome: runningTrial === null || isKnown(runningTrial) ? 'none' : 'unrecorded' }
  const { record } = found
  if (runningTrial === record.id) return { ...nothing, record, ...whileRunning(system, record) }
  // The record may be that of a newer trial, which is loaded while an older one runs.
  if (runningTrial !== null && !isKnown(runningTrial)) return { ...nothing, record, outcome: 'unrecorded' }
  return { ...nothing, record, ...whileNotRunning(system, record) }
}

function whileRunning(system: System, record: TrialRecord) {
  const isRunning = true
  const its = differences(system, record.target)
  if (!isOpen(record)) return { isRunning, differences: its, outcome: record.state, timeLeft: null }
  const timeLeft = timeLeftOf(system, record)
  const outcome: TrialOutcome = timeLeft === 0 ? 'expired' : 'running'
  return { isRunning, differences: its, outcome, timeLeft }
}

function whileNotRunning(system: System, record: TrialRecord) {
  if (!isOpen(record)) return { outcome: record.state }
  const bootId = bootIdOf(system)
  if (bootId === undefined || bootId === record.from.bootId) {
    return { outcome: record.state, isHeld: record.state === 'planned' ? null : loadStatus(system).loaded }
  }
  if (record.state === 'planned') return { outcome: record.state }
  const outcome: TrialOutcome = 'taken-back'
  const since = new Date(record.times.started ?? record.times.loaded ?? record.times[record.state] ?? 0)
  const kept = keptMessages(system, since)
  if (kept === null) return { outcome }
  const progress = progressIn(kept, record)
  // Those of the kernel before, which did not die.
  return { outcome, progress, lastLines: progress?.stage === 'jumped' ? null : lastOf(kept) }
}

/** Whether a trial can still be confirmed or taken back. */
export function isOpen(
  record: TrialRecord,
): record is TrialRecord & { readonly state: 'planned' | 'loaded' | 'started' } {
  return record.state === 'planned' || record.state === 'loaded' || record.state === 'started'
}

/** Milliseconds, 0 when it has expired; null where /proc does not show how long the kernel has run. */
export function timeLeftOf(system: System, { deadline }: TrialRecord): number | null {
  // Seconds since the start of the running kernel (fs/proc/uptime.c).
  const seconds = /^(\d+(?:\.\d+)?) /.exec(system.readText('/proc/uptime') ?? '')?.[1]
  return seconds === undefined ? null : Math.max(0, Math.round(deadline - Number(seconds) * 1000))
}
