import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { checkDefault, type MadeDefault, makeDefault } from '../../trial/default/make-default.ts'
import type { TrialRecord } from '../../trial/model/trial.ts'
import { type CheckDirectory, CONFIRM_DIRECTORY, readCheckDirectory } from './check-directory.ts'
import { type CheckResult, environmentFor, lastLinesOf, runCheck, wayOf } from './run-check.ts'

/** How the default is to be changed. */
export interface DefaultPlan {
  /** The programs of confirm.d. */
  readonly directory: CheckDirectory
  /** Why linux-kexec leaves the boot loader to them; null when it changes it itself. */
  readonly left: KexecError | null
}

/**
 * Decides who makes the tried entry the default: linux-kexec where it can. Where it cannot, the programs of confirm.d; and
 * without any it is refused. Writes nothing.
 * @throws KexecError 'default-unchanged' (refused), 'io'
 */
export async function planMakingDefault(system: System): Promise<DefaultPlan> {
  const directory = readCheckDirectory(system, CONFIRM_DIRECTORY)
  try {
    await checkDefault(system)
    return { directory, left: null }
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    if (directory.programs.length === 0) throw error.reason === 'default-unchanged' ? namingPrograms(error) : error
    return { directory, left: error }
  }
}

/** The library, which runs no programs, does not name them. */
function namingPrograms({ summary, hint, reason }: KexecError): KexecError {
  const programs = `Let a program in ${CONFIRM_DIRECTORY} do it, which runs after the confirmation.`
  return new KexecError(summary, { reason, refused: true, hint: [programs, ...(hint ? [hint] : [])].join(' Or: ') })
}

export interface DefaultOutcome {
  /** How linux-kexec made it the default; null when that was left to the programs. */
  readonly madeDefault: MadeDefault | null
  readonly programs: readonly CheckResult[]
  /** The program that failed. */
  readonly failure: KexecError | null
}

/**
 * Makes the entry of a confirmed trial the default, and then runs the programs, one after the other, until one fails.
 * @throws KexecError as `makeDefault`
 */
export async function carryOut(
  system: System,
  record: TrialRecord,
  { directory, left }: DefaultPlan,
  { limit, ran }: { readonly limit: number; readonly ran?: (result: CheckResult) => void },
): Promise<DefaultOutcome> {
  const madeDefault = left === null ? await makeDefault(system) : null
  const programs: CheckResult[] = []
  const environment = environmentFor({
    LINUX_KEXEC_TRIAL: record.id,
    LINUX_KEXEC_KERNEL: record.target.kernel,
    LINUX_KEXEC_RELEASE: record.target.release ?? '',
    LINUX_KEXEC_ENTRY: madeDefault?.entry ?? record.target.entry?.id ?? '',
    LINUX_KEXEC_DEFAULT: madeDefault === null ? '' : 'done',
  })
  for (const name of directory.programs) {
    const path = posix.join(system.root, directory.path, name)
    const result = await runCheck({ name, path, limit, environment })
    programs.push(result)
    ran?.(result)
    if (!result.passed) return { madeDefault, programs, failure: failureOf(result) }
  }
  return { madeDefault, programs, failure: null }
}

function failureOf(result: CheckResult): KexecError {
  const path = posix.join(CONFIRM_DIRECTORY, result.name)
  return new KexecError(`the trial is confirmed, and ${result.name} ${wayOf(result)}`, {
    reason: 'program-failed',
    path,
    hint: 'Correct it, and run again: linux-kexec trial confirm --make-default',
    evidence: lastLinesOf(result).map((value) => ({ source: path, value })),
  })
}
