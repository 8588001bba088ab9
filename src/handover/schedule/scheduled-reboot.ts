import { KexecError } from '../../errors.ts'
import type { Lock } from '../../state/lock.ts'
import type { System } from '../../system/system.ts'
import { localTime } from '../../text.ts'
import { tellUsers } from '../precautions/users.ts'
import { waitForTime } from './schedule.ts'

/** When a reboot will begin, and the time until then. */
export interface Schedule {
  readonly at: Date
  /** Milliseconds left. */
  readonly remaining: () => number
}

/** Times before the reboot at which the message is repeated, in milliseconds. */
const REMINDERS = [10, 5, 1].map((minutes) => minutes * 60_000)

/** Further ahead than anyone means, in milliseconds. */
const MAX_AHEAD = 366 * 24 * 60 * 60 * 1000

/**
 * A time of day follows the clock; a delay follows the time that passes, even if the clock is set.
 * @throws KexecError 'invalid-argument'
 */
export function scheduleOf({ at, delay }: { readonly at?: Date; readonly delay?: number }): Schedule | undefined {
  if (at !== undefined && delay !== undefined)
    throw invalid('a time and a delay exclude each other', 'Give one of the two.')
  if (at !== undefined) {
    const ahead = at.getTime() - Date.now()
    if (!(ahead > 0 && ahead <= MAX_AHEAD))
      throw invalid('the time is not within the next 366 days', 'Give a later time, or one that is nearer.')
    return { at, remaining: () => at.getTime() - Date.now() }
  }
  if (delay === undefined) return undefined
  if (!(delay >= 0 && delay <= MAX_AHEAD))
    throw invalid('the delay is not between 0 and 366 days', 'Give a delay of at most 366 days.')
  const end = performance.now() + delay
  return { at: new Date(Date.now() + delay), remaining: () => end - performance.now() }
}

/**
 * Waits for the time, and repeats the message to logged-in users. @returns as `waitForTime`. @throws as `waitForTime`
 */
export async function waitTelling(
  system: System,
  { at, remaining }: Schedule,
  { message, signal }: { readonly message?: string; readonly signal?: AbortSignal },
  report: (step: string) => void,
): Promise<Lock> {
  const tell = () => {
    if (message !== undefined)
      tellUsers(system, `${message}\nThis machine will start a new kernel at ${localTime(at)}.`)
  }
  report(`waiting until ${localTime(at)}; Ctrl-C or \`linux-kexec reboot --cancel\` calls the reboot off`)
  tell()
  let due = REMINDERS.filter((reminder) => reminder < remaining())
  const tick = (left: number) => {
    if (!due.some((reminder) => left <= reminder)) return
    due = due.filter((reminder) => left > reminder)
    tell()
  }
  return waitForTime(system, at, { remaining, tick, signal })
}

function invalid(summary: string, hint: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', hint, refused: true })
}
