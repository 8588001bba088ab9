import { KexecError } from '../../errors.ts'
import { flagName, gapsName } from '../../option-name.ts'
import type { PlanOptions, TrialOptions } from '../model/options.ts'

/** Long enough for a server's services to start, short enough for someone who waits. */
const DEADLINE = 120_000

/** A trial that asks for confirmation later than this is not one. */
const MAX_DEADLINE = 24 * 60 * 60 * 1000
const MIN_DEADLINE = 1000

/** The options of a trial with their defaults; null where no trial is asked for. */
export type AskedTrial = Required<Omit<TrialOptions, 'fallback'>> & { readonly fallback: string | null }

/** @throws KexecError 'invalid-argument' for a deadline out of range, or options that exclude a trial */
export function askedTrial({ trial, panic, exactCommandLine }: PlanOptions): AskedTrial | null {
  if (trial === undefined || trial === false) return null
  const { deadline = DEADLINE, fallback = null, allowGaps = false } = trial === true ? {} : trial
  if (panic) throw invalid(`${flagName('panic')} and ${flagName('trial')} exclude each other`, 'Give one of the two.')
  if (exactCommandLine !== undefined)
    throw invalid('a trial adds parameters, and this command line is to be used verbatim', 'Give it as one to edit.')
  if (!Number.isInteger(deadline / 1000) || deadline < MIN_DEADLINE || deadline > MAX_DEADLINE)
    throw invalid('the deadline of a trial is not whole seconds between 1 s and a day', 'Give 120 s, for example.')
  return { deadline, fallback, allowGaps }
}

/** A remedy, and the option that does without it. @param remedy null where nothing is known to help */
export function orAccept(remedy: string | null): string {
  if (remedy === null) return `Accept the gap with ${gapsName()}.`
  return `${remedy.replace(/\.$/, '')}; or accept the gap with ${gapsName()}.`
}

function invalid(summary: string, hint: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', hint, refused: true })
}
