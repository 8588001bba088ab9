import { exposureWarnings } from '../../../system/exposure.ts'
import type { System } from '../../../system/system.ts'
import { cancelTrial } from '../../../trial/cancel.ts'
import type { MadeDefault } from '../../../trial/default/make-default.ts'
import { liveGuards } from '../../../trial/guards/control.ts'
import { isChangeSet } from '../../../trial/loader/change.ts'
import type { TrialRecord } from '../../../trial/model/trial.ts'
import { type TrialStatus, trialStatus } from '../../../trial/status.ts'
import { unloadTrial } from '../../../trial/unload-trial.ts'
import { type Arguments, type Command, type ExitStatus, exit, jsonOption, UsageError } from '../../arguments/command.ts'
import { rootOption, systemOf } from '../../arguments/root-option.ts'
import { CHECK_DIRECTORY, type CheckDirectory, CONFIRM_DIRECTORY } from '../../checks/check-directory.ts'
import { confirmChecked } from '../../checks/confirm-checked.ts'
import { carryOut, type DefaultPlan, planMakingDefault } from '../../checks/confirm-programs.ts'
import { loadingDrivers } from '../../checks/load-driver.ts'
import { type CheckResult, wayOf } from '../../checks/run-check.ts'
import { reportFailure } from '../../output/failure.ts'
import { noteBelow, noteLine, print, printJson, warn } from '../../output/output.ts'
import { trialReport } from '../../reports/trial-report.ts'

/** Seconds that each check may take. */
const CHECK_LIMIT = 60

export const command: Command = {
  name: 'trial',
  summary: 'Shows the last trial, confirms the running one, or cancels one that has not started.',
  operands: '[status|confirm|cancel]',
  arity: [0, 1],
  options: {
    'check-timeout': {
      type: 'string',
      value: 'SECONDS',
      help: `with confirm: how long each check or program may take (default: ${CHECK_LIMIT})`,
    },
    'make-default': {
      type: 'boolean',
      help: 'with confirm: make the entry that was tried the default of the boot loader',
    },
    root: { ...rootOption, help: 'with status: show the trial of the system in this directory instead' },
    json: jsonOption,
  },
  examples: [
    ['linux-kexec trial', 'the last trial, and whether it runs'],
    ['linux-kexec trial confirm', 'keep the running kernel, if all checks pass'],
    ['linux-kexec trial confirm --make-default', 'the same, and boot it from now on'],
    ['linux-kexec trial cancel', 'unload the kernel on trial before it is started'],
  ],
  notes: `confirm runs every program in ${CHECK_DIRECTORY}, in the order of their names. The first one that does not end with
status 0 in its time ends the trial.

--make-default changes GRUB, extlinux and systemd-boot after the confirmation, and then runs every program in
${CONFIRM_DIRECTORY}. Any other boot loader is left to these programs. On failure the trial stays
confirmed, and the same command can be repeated.

The exit status is 4 when there is no trial to show, confirm or cancel, and 3 when the trial cannot be confirmed or cancelled.`,
  async run(args) {
    const [action = 'status'] = args.positionals
    if (action !== 'confirm' && args.text('check-timeout') !== undefined)
      throw new UsageError('--check-timeout goes with confirm')
    if (action !== 'confirm' && args.flag('make-default')) throw new UsageError('--make-default goes with confirm')
    if (action !== 'status' && args.text('root') !== undefined) throw new UsageError('--root goes with status')
    const system = systemOf(args)
    if (action === 'status') return show(args, trialStatus(system))
    if (action === 'confirm') return await confirm(args, system)
    if (action === 'cancel') return cancel(args, system)
    throw new UsageError(`trial takes status, confirm or cancel, not '${action}'`)
  },
}

function show(args: Arguments, status: TrialStatus): ExitStatus {
  if (args.flag('json')) printJson(status)
  else print(trialReport(status))
  if (status.outcome === 'none') return exit.nothingLoaded
  return status.outcome === 'unreadable' || status.outcome === 'unrecorded' ? exit.failed : exit.done
}

async function confirm(args: Arguments, system: System): Promise<ExitStatus> {
  const limit = limitOf(args.text('check-timeout'))
  const found = (directory: CheckDirectory) => warnOf(system, directory)
  const plan = args.flag('make-default') ? await planMakingDefault(system) : null
  if (plan !== null) found(plan.directory)
  const outcome = await confirmChecked(system, {
    guards: loadingDrivers(system, liveGuards),
    limit,
    found,
    checked: (result) => noteProgram('check', result),
  })
  const { status, checks, failure } = outcome
  const guards = status.record?.guards
  if (failure !== null) {
    const failed = reportFailure(failure, args.flag('json'), command.name)
    // Everything is on the disk and on the terminal: now a guard may end this kernel.
    if (guards !== undefined && liveGuards.fire(guards)) noteLine('The machine is being reset.')
    return failed
  }
  const { fallback } = status.record ?? {}
  if (fallback?.variable === 'next_entry' && isChangeSet(system, fallback))
    warn(`${fallback.path} could not be changed: the next boot through the firmware still starts the fallback.`)
  const words = `confirmed: ${status.record?.id}, ${status.record?.target.kernel}`
  if (plan !== null && status.record !== null)
    return await makeDefault(args, system, { plan, limit, words, status, checks })
  if (args.flag('json')) printJson({ ...status, checks })
  else print(words)
  return exit.done
}

interface Confirmed {
  readonly plan: DefaultPlan
  readonly limit: number
  readonly words: string
  readonly status: TrialStatus
  readonly checks: readonly CheckResult[]
}

async function makeDefault(args: Arguments, system: System, confirmed: Confirmed): Promise<ExitStatus> {
  const { plan, limit, words, status, checks } = confirmed
  // What follows may fail, and the trial stays confirmed.
  if (!args.flag('json')) print(words)
  if (plan.left !== null) noteLine(`The default is left to the programs in ${CONFIRM_DIRECTORY}: ${plan.left.summary}.`)
  const ran = (result: CheckResult) => noteProgram('program', result)
  const { failure, ...made } = await carryOut(system, status.record as TrialRecord, plan, { limit, ran })
  if (failure !== null) return reportFailure(failure, args.flag('json'), command.name)
  if (args.flag('json')) printJson({ ...status, checks, ...made })
  else if (made.madeDefault !== null) print(`default: ${defaultWords(made.madeDefault)}`)
  return exit.done
}

function defaultWords({ title, change }: MadeDefault): string {
  return change === null ? `'${title}', as before` : `'${title}', by ${change.variable} in ${change.path}`
}

function cancel(args: Arguments, system: System): ExitStatus {
  const status = cancelTrial(system, {
    reason: 'It was cancelled before its kernel was started.',
    unload: (record) => unloadTrial(system, record, liveGuards),
  })
  if (args.flag('json')) printJson(status)
  else print(`cancelled: ${status.record?.id}, ${status.record?.target.kernel}`)
  return exit.done
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return CHECK_LIMIT * 1000
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0)
    throw new UsageError(`--check-timeout takes whole seconds, not '${text}'`)
  return Number(text) * 1000
}

/** Root runs the checks, so anyone who may change one of them runs as root. A check that is not run is no check. */
function warnOf(system: System, { path, programs, skipped }: CheckDirectory): void {
  for (const name of skipped) warn(`${path}/${name} is not a program that can be run: it was skipped.`)
  const paths = programs.map((name) => `${path}/${name}`)
  for (const warning of exposureWarnings(system, paths)) warn(warning)
}

function noteProgram(what: 'check' | 'program', result: CheckResult): void {
  const how = result.passed ? 'passed' : wayOf(result)
  noteLine(`${what} ${result.name}: ${how} (${result.milliseconds} ms)`)
  for (const line of result.output.split('\n')) if (line.trim() !== '') noteBelow(line, 'dim')
}
