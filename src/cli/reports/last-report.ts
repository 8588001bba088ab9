import { localTime } from '../../text.ts'
import type { Duration } from '../../trial/last/durations.ts'
import type { LastKexec, PastKexec } from '../../trial/last/last.ts'
import type { TrialDifference } from '../../trial/record/differences.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'

const ONLY_ROOT = ' Only root can read it.'

/** The kexec that started the running kernel, and those before it, for people. */
export function lastReport(last: LastKexec): string {
  const width = lineWidth(stdout)
  const { kexec, kho, history, problem } = last
  const rows = [
    ['started by', startWords(last)],
    ...(kexec === null ? [] : kexecRows(kexec)),
    ['kexecs', countWords(last)],
    ...(kho === null ? [] : [['by the kernel', `${kho.kexecs}, the last from ${kho.previousRelease}`]]),
  ]
  const warnings = [
    ...last.differences.map((difference) => `The running system is not as planned: ${sentence(difference)}.`),
    ...(problem === null
      ? []
      : [`The record cannot be read: ${problem}.${process.geteuid?.() === 0 ? '' : ONLY_ROOT}`]),
  ].flatMap((text) => placed(text, { width, label: 'warning:', labelStyle: 'yellow', hanging: 2 }))
  const past = history.length === 0 ? [] : ['', 'before:', ...table(history.map(pastRow), { width, indent: 2 })]
  return [...table(rows, { width }), ...warnings, ...past].join('\n')
}

const starts: Readonly<Record<LastKexec['startedBy'], string>> = {
  kexec: 'a kexec',
  crash: 'a panic: this is a crash kernel',
  firmware: 'the firmware, as far as is known',
  unknown: 'unknown',
}

function startWords({ startedBy, kexec, reason, problem }: LastKexec): string {
  if (kexec !== null) return `a kexec of linux-kexec, ${kexec.id}`
  return startedBy === 'firmware' || reason === null || problem !== null
    ? starts[startedBy]
    : `${starts[startedBy]}; ${reason}`
}

function kexecRows({ from, to, by, times, durations, trial }: PastKexec): string[][] {
  return [
    ['  from', from.release],
    ['  to', `${to.release ?? 'unknown release'}, ${to.kernel}`],
    ['  planned', to.commandLine],
    ['  loaded', `${localTime(new Date(times.loaded))}, by ${byWords(by)}`],
    ['  stopping', durationWords(durations.stopping)],
    ['  down', durationWords(durations.down)],
    ['  together', durationWords(durations.total)],
    ...(trial === null ? [] : [['  confirmed', confirmedWords(durations.untilConfirmed)]]),
  ]
}

function byWords({ uid, sudoUser, loginUid, program, pid }: PastKexec['by']): string {
  const user = uid === null ? 'an unknown user' : uid === 0 ? 'root' : `user ${uid}`
  const behind = sudoUser ?? (loginUid === null || loginUid === uid ? null : `user ${loginUid}`)
  return `${user}${behind === null ? '' : ` (${behind})`}, ${program}[${pid}]`
}

function countWords({ kexecs }: LastKexec): string {
  if (kexecs === null) return 'how many since the machine was started is unknown'
  return `${kexecs} since the machine was started`
}

function confirmedWords(duration: Duration): string {
  const words = durationWords(duration)
  return duration.milliseconds === null ? words : `${words} after the start of its init`
}

/** Seconds, with as many digits as are known. */
function durationWords({ milliseconds, uncertainty, reason }: Duration): string {
  if (milliseconds === null) return `unknown: ${reason}`
  const isRough = uncertainty !== null && uncertainty >= 10
  return `${(milliseconds / 1000).toFixed(2)} s${isRough ? `, give or take ${(uncertainty / 1000).toFixed(2)} s` : ''}`
}

function pastRow({ times, from, to, durations, isArrived }: PastKexec): string[] {
  const { milliseconds } = durations.total
  const took = milliseconds === null ? '' : `${(milliseconds / 1000).toFixed(1)} s`
  return [
    localTime(new Date(times.begun ?? times.loaded)),
    `${from.release} to ${to.release ?? to.kernel}`,
    isArrived ? took : 'not seen running',
  ]
}

function sentence({ source, expected, found }: TrialDifference): string {
  if (expected === null) return `${source} has ${found}, which was not planned`
  return found === null ? `${source} does not have ${expected}` : `${source} is ${found} instead of ${expected}`
}
