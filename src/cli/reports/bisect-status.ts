import { KexecError, type Reason } from '../../errors.ts'
import type { RehearsalOutcome } from '../../rehearsal/model/rehearsal.ts'

/**
 * What an exit status means to `git bisect run` (git-bisect(1), "Bisect run"): every status from 1 to 127 marks the commit bad, except
 * 125; 128 and above end the bisection, with nothing marked.
 */
export const bisect = { good: 0, bad: 1, skip: 125, stop: 128 } as const
export type BisectStatus = (typeof bisect)[keyof typeof bisect]

/** The verdict on the new kernel; `skip` where the rehearsal did not come so far that it says something about it. */
export function bisectStatus(outcome: RehearsalOutcome): BisectStatus {
  if ('phase' in outcome && (outcome.phase === 'first boot' || outcome.phase === 'load')) return bisect.skip
  switch (outcome.kind) {
    case 'passed':
      return bisect.good
    case 'failed':
      // A test that cannot judge says so itself by 125; 126 and 127 are the shell's, for a test that did not start.
      return outcome.status >= 125 && outcome.status <= 127 ? bisect.skip : bisect.bad
    // A busy machine is no fault of the commit.
    case 'timed-out':
    case 'not-loaded':
    case 'accelerator-unusable':
    case 'qemu-died':
      return bisect.skip
    case 'refused':
      return ofTheCall.includes(outcome.error.reason) ? bisect.stop : bisect.skip
    default:
      return bisect.bad
  }
}

/** Reasons that are the same for every commit: the options are wrong. */
const ofTheCall: readonly string[] = [
  'invalid-argument',
  'no-command-line',
  'no-initrd',
  'no-such-entry',
  'ambiguous-entry',
] satisfies Reason[]

/** Reasons that another commit may not have: its build brought no kernel, or not a whole one. */
const ofThisCommit: readonly Reason[] = ['not-found', 'file-changed', 'file-busy']

/** Of an error, in place of an outcome: the next commit is tried where it may fare better. */
export function bisectStatusOfError(error: unknown): BisectStatus {
  if (!(error instanceof KexecError)) return bisect.stop
  return error.kind === 'image' || ofThisCommit.includes(error.reason) ? bisect.skip : bisect.stop
}
