import type { TrialGuards } from './model/trial.ts'

/** The kinds of failure after the jump. */
export const trialFailures = ['panic', 'hang', 'userspace', 'check'] as const
export type TrialFailure = (typeof trialFailures)[number]

/** A kind of failure, and what brings the machine back after it. */
export interface TrialCoverage {
  readonly failure: TrialFailure
  /** The failure, as the subject of a sentence. */
  readonly text: string
  /** One clause; null where nothing would. */
  readonly guard: string | null
}

const texts: Readonly<Record<TrialFailure, string>> = {
  panic: 'the kernel panics',
  hang: 'the kernel hangs',
  userspace: 'userspace does not come up',
  check: 'a health check fails',
}

/**
 * What would bring the machine back after each kind of failure.
 * @param deadline milliseconds from the start of the new kernel
 */
export function coverageOf({ panic, watchdog, deadman }: TrialGuards, deadline: number): readonly TrialCoverage[] {
  const byWatchdog =
    watchdog === null
      ? null
      : `${watchdog.name} resets the machine at most ${watchdog.latest} s after the reboot begins`
  // Once systemd feeds it, it no longer sees what becomes of the rest.
  const unlessConfirmed =
    watchdog?.until === 'confirmation' ? `${watchdog.name} resets the machine that is not confirmed in time` : null
  const byDeadman = deadman ? `a program in the initrd resets the machine after ${deadline / 1000} s` : null
  const byPanic = panic === null ? null : `the kernel itself resets the machine after ${panic} s`
  const guards: Readonly<Record<TrialFailure, string | null>> = {
    panic: byPanic ?? byWatchdog,
    hang: byWatchdog,
    userspace: byDeadman ?? unlessConfirmed,
    check: byDeadman ?? unlessConfirmed,
  }
  return trialFailures.map((failure) => ({ failure, text: texts[failure], guard: guards[failure] }))
}
