import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { confirmTrial, failTrial } from '../../trial/confirm.ts'
import type { GuardControl } from '../../trial/model/guard-control.ts'
import { type TrialStatus, trialStatus } from '../../trial/status.ts'
import { CHECK_DIRECTORY, type CheckDirectory, readCheckDirectory } from './check-directory.ts'
import { type CheckResult, environmentFor, lastLinesOf, runCheck, wayOf } from './run-check.ts'

export interface CheckedConfirmation {
  readonly guards: GuardControl
  /** Milliseconds that each check may take; never more than the trial has left. */
  readonly limit: number
  /** Called with the names of what is in the directory, before the first check. */
  readonly found?: (directory: CheckDirectory) => void
  /** Called after each check. */
  readonly checked?: (result: CheckResult) => void
}

/** The trial after it was confirmed, or after a check ended it. */
export interface CheckedOutcome {
  readonly status: TrialStatus
  readonly checks: readonly CheckResult[]
  /** The failure; the record of the trial says so already. */
  readonly failure: KexecError | null
}

/**
 * Runs the programs of the check directory, one after the other, and confirms the trial when all have passed. The first one
 * that fails ends the trial. Nothing is run for a trial that could not be confirmed anyway.
 * @throws KexecError as `confirmTrial` and `failTrial`; 'io' when the directory cannot be read
 */
export async function confirmChecked(system: System, options: CheckedConfirmation): Promise<CheckedOutcome> {
  const { guards, found, checked } = options
  const before = trialStatus(system)
  if (before.outcome !== 'running' || before.differences.length > 0 || before.timeLeft === null)
    return { status: confirmTrial(system, guards), checks: [], failure: null }
  const directory = readCheckDirectory(system)
  found?.(directory)
  const checks: CheckResult[] = []
  for (const name of directory.programs) {
    const { timeLeft } = trialStatus(system)
    // No time is left for it: the confirmation is refused below, for that reason.
    if (timeLeft === null || timeLeft === 0) break
    const result = await runCheck({
      name,
      path: posix.join(system.root, CHECK_DIRECTORY, name),
      limit: Math.min(options.limit, timeLeft),
      environment: environmentFor({ LINUX_KEXEC_TRIAL: before.record?.id ?? '' }),
    })
    checks.push(result)
    checked?.(result)
    if (result.passed) continue
    const failure = failureOf(result)
    return { status: failTrial(system, `The check ${name} ${wayOf(result)}.`), checks, failure }
  }
  return { status: confirmTrial(system, guards), checks, failure: null }
}

function failureOf(result: CheckResult): KexecError {
  const path = posix.join(CHECK_DIRECTORY, result.name)
  return new KexecError(`the check ${result.name} ${wayOf(result)}, and the trial has failed`, {
    reason: 'check-failed',
    path,
    hint: 'A reset of the machine takes the trial back: reboot',
    evidence: lastLinesOf(result).map((value) => ({ source: path, value })),
  })
}
