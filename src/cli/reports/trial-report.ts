import { localTime } from '../../text.ts'
import { type TrialRecord, trialStates } from '../../trial/model/trial.ts'
import { stageWords } from '../../trial/progress.ts'
import type { TrialDifference } from '../../trial/record/differences.ts'
import type { TrialOutcome, TrialStatus } from '../../trial/status.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'

/** How a trial stands, for people. */
export function trialReport(status: TrialStatus): string {
  const width = lineWidth(stdout)
  const { record, lastLines, progress } = status
  const rows = [
    ['trial', trialWords(status)],
    ...(record === null ? [] : recordRows(record)),
    ...(progress === null ? [] : [['  shown by', `${progress.line} (${progress.path})`]]),
  ]
  const warned = warningsOf(status).flatMap((warning) =>
    placed(warning, { width, label: 'warning:', labelStyle: 'yellow', hanging: 2 }),
  )
  const last =
    lastLines === null
      ? []
      : [`The last messages of the kernel that died, ${lastLines.path}:`, ...lastLines.lines].flatMap((line, index) =>
          placed(line, { width, indent: index === 0 ? 0 : 2, hanging: 2 }),
        )
  return [...table(rows, { width }), ...warned, ...last].join('\n')
}

/** How a trial stands, in a few words. */
export function trialWords(status: TrialStatus): string {
  return meanings[status.outcome](status)
}

const meanings: Readonly<Record<TrialOutcome, (status: TrialStatus) => string>> = {
  none: () => 'none',
  unreadable: ({ problem }) => `unknown: ${problem}`,
  unrecorded: ({ runningTrial }) => `the running kernel is on trial ${runningTrial}, and there is no record of it`,
  planned: () => 'planned; its kernel was not loaded',
  loaded: ({ isHeld }) => (isHeld === false ? 'its kernel was unloaded' : 'loaded, not started yet'),
  started: ({ isHeld }) => (isHeld === false ? 'its kernel was unloaded' : 'the reboot into its kernel has begun'),
  running: ({ timeLeft }) =>
    `running, not confirmed; ${timeLeft === null ? 'how much time is left is unknown' : `${seconds(timeLeft)} left`}`,
  confirmed: ({ isRunning }) => `confirmed${isRunning ? '' : '; another kernel is running now'}`,
  'taken-back': ({ record, progress }) => {
    if (progress !== null) return `taken back, and not confirmed: ${stageWords[progress.stage]}`
    return record?.times.started === undefined
      ? 'taken back: its kernel was loaded, and a start of it was not recorded'
      : 'taken back: its kernel was started and not confirmed'
  },
  failed: ({ isRunning }) => `failed${isRunning ? '; its kernel is still running' : ', and taken back'}`,
  expired: ({ isRunning }) => `expired${isRunning ? '; its kernel is still running' : ', and taken back'}`,
  cancelled: ({ isRunning }) => `cancelled${isRunning ? ', but its kernel is running' : ''}`,
}

function recordRows(record: TrialRecord): string[][] {
  const { target, rollback, guards, deadline, reason, from } = record
  const rows = [
    ['  id', record.id],
    ['  kernel', `${target.kernel}, ${target.release ?? 'of unknown release'}`],
    ['  command line', target.commandLine],
    ['  loaded by', from.release],
    ['  deadline', `${seconds(deadline)} after its start`],
    ['  guards', guardWords(guards)],
    ['  a reset boots', rollback === null ? 'unknown' : `${rollback.title}, as ${rollback.reason}`],
  ]
  for (const state of trialStates) {
    const time = record.times[state]
    if (time !== undefined) rows.push([`  ${state}`, localTime(new Date(time))])
  }
  if (reason !== null) rows.push(['  because', reason])
  return rows
}

function guardWords({ panic, watchdog, deadman }: TrialRecord['guards']): string {
  const words = [
    ...(panic === null ? [] : [`panic=${panic}`]),
    ...(watchdog === null ? [] : [`${watchdog.name}, ${watchdog.timeout} s`]),
    ...(deadman ? ['a program in the initrd'] : []),
  ]
  return words.length === 0 ? 'none' : words.join('; ')
}

function warningsOf({ differences }: TrialStatus): string[] {
  return differences.map((difference) => `The running system is not the one of the trial: ${sentence(difference)}.`)
}

function sentence({ source, expected, found }: TrialDifference): string {
  if (expected === null) return `${source} has ${found}, which the trial does not have`
  return found === null ? `${source} does not have ${expected}` : `${source} is ${found} instead of ${expected}`
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`
}
