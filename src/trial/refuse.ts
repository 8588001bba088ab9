import { TRIAL_PARAMETER } from '../cmdline/reuse.ts'
import { type Evidence, KexecError, type KexecErrorDetails } from '../errors.ts'
import type { TrialDifference } from './record/differences.ts'
import type { TrialOutcome, TrialStatus } from './status.ts'

const STATUS = 'linux-kexec trial status'
const TAKE_BACK = 'A reset of the machine takes it back: reboot'

type Refusal = readonly [summary: string, details: Omit<KexecErrorDetails, 'refused' | 'evidence'>]

/**
 * The error for a trial that cannot be confirmed or failed, because it is not 'running', or not cancelled, because it is
 * not 'ahead'.
 */
export function refuse(status: TrialStatus, needs: 'running' | 'ahead'): KexecError {
  const [summary, details] = refusals[status.outcome](status, needs)
  return new KexecError(summary, { ...details, evidence: evidenceOf(status), refused: true })
}

const refusals: Readonly<Record<TrialOutcome, (status: TrialStatus, needs: 'running' | 'ahead') => Refusal>> = {
  none: () => ['there is no trial', { reason: 'no-trial', hint: STATUS }],
  unreadable: ({ problem }) => [
    `the record of the last trial cannot be trusted: ${problem}`,
    // Only root may read it, and for anyone else the command names the way to be root.
    { reason: process.geteuid?.() === 0 ? 'trial-record' : 'not-readable', hint: `Read it as root: ${STATUS}` },
  ],
  unrecorded: ({ runningTrial, path }) => [
    `the running kernel is on trial ${runningTrial}, and there is no record of it`,
    { reason: 'trial-record', path, hint: TAKE_BACK },
  ],
  planned: ahead,
  loaded: ahead,
  started: ahead,
  running: (status, needs) =>
    needs === 'ahead'
      ? [
          `trial ${status.record?.id} is running; it ends when it is confirmed, or with a reset of the machine`,
          { reason: 'trial-state', hint: `${TAKE_BACK}. To keep the kernel: linux-kexec trial confirm` },
        ]
      : ['the running system is not the one of the trial', { reason: 'not-the-trial', hint: TAKE_BACK }],
  confirmed: ended,
  'taken-back': (status, needs) =>
    needs === 'ahead'
      ? ended(status)
      : [
          `trial ${status.record?.id} was taken back: another kernel is running`,
          { reason: 'not-the-trial', hint: STATUS },
        ],
  failed: ended,
  expired: ended,
  cancelled: ended,
}

function ahead({ record }: TrialStatus): Refusal {
  return [
    `the kernel of trial ${record?.id} does not run yet: it is ${record?.state}`,
    { reason: 'trial-state', hint: 'Start it: linux-kexec reboot' },
  ]
}

/** While its kernel runs, the trial has the wrong state; after that there is none any more. */
function ended({ record, outcome, isRunning }: TrialStatus): Refusal {
  const summary =
    outcome === 'taken-back' ? `trial ${record?.id} was taken back` : `trial ${record?.id} is over: it is ${outcome}`
  if (!isRunning) return [summary, { reason: 'no-trial', hint: STATUS }]
  const hint = outcome === 'confirmed' ? STATUS : TAKE_BACK
  return [summary, { reason: 'trial-state', hint }]
}

function evidenceOf({ record, path, isRunning, runningTrial, differences }: TrialStatus): Evidence[] {
  const ofRecord =
    record === null ? [] : [{ source: path, value: `${record.state} since ${record.times[record.state]}` }]
  const ofKernel =
    isRunning || runningTrial === null ? [] : [{ source: '/proc/cmdline', value: `${TRIAL_PARAMETER}=${runningTrial}` }]
  return [...ofRecord, ...ofKernel, ...differences.map(evidenceOfDifference)]
}

function evidenceOfDifference({ source, expected, found }: TrialDifference): Evidence {
  if (expected === null) return { source, value: `has ${found}, which the trial does not have` }
  return { source, value: found === null ? `does not have ${expected}` : `is ${found} instead of ${expected}` }
}
