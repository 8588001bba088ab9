import { lastParameter } from '../../cmdline/look-up.ts'
import type { CommandLine } from '../../cmdline/parse.ts'
import { TRIAL_PARAMETER } from '../../cmdline/reuse.ts'
import { KexecError } from '../../errors.ts'
import { gatherOverlays, type OverlayItem } from '../../initrd/overlay.ts'
import { flagName } from '../../option-name.ts'
import { coverageOf, type TrialCoverage } from '../../trial/coverage.ts'
import type { PlannedFallback } from '../../trial/fallback/fallback.ts'
import { deadmanOverlay } from '../../trial/guards/deadman.ts'
import type { Rollback, TrialGuards } from '../../trial/model/trial.ts'
import { recordPlace } from '../../trial/record/outlives.ts'
import { PLACE_FILE, trialPlace } from '../../trial/record/place.ts'
import type { Tried } from '../../trial/rollback.ts'
import type { Context } from '../context/context.ts'
import { type Choice, type PlanDecision, silent } from '../model/decision.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { chosenBlackBox } from './black-box.ts'
import { nextInit, panicSeconds } from './command-line.ts'
import type { PossibleTrial } from './guards.ts'
import { orAccept } from './options.ts'
import { chooseRollback } from './rollback.ts'

/** A trial as it is loaded. */
export interface ChosenTrial {
  readonly id: string
  /** Milliseconds from the start of the new kernel. */
  readonly deadline: number
  readonly guards: TrialGuards
  readonly coverage: readonly TrialCoverage[]
  readonly rollback: Rollback | null
  /** The entry that a reset is to boot, where one was named, and how. */
  readonly fallback: PlannedFallback | null
  /** The kernel as the boot menu would start it. */
  readonly tried: Tried
  /** The program in the initrd that the deadman starts after itself; null without a deadman. */
  readonly nextInit: string | null
  /** The files that the guards need in the initrd. */
  readonly overlay: readonly OverlayItem[]
}

const { warning, refusal } = remarksOn('trial')

/** Chooses the guards, as the finished command line has them, and what a reset boots. */
export async function chooseTrial(
  context: Context,
  possible: PossibleTrial | null,
  line: CommandLine | null,
): Promise<Choice<ChosenTrial | null>> {
  if (possible === null || line === null) return silent(null)
  const { id, asked } = possible
  const { deadline } = asked
  const { guards, nextInit: next, overlay, remarks, blackBox } = await chosenGuards(context, possible, line)
  const coverage = coverageOf(guards, deadline)
  const rollback = await chooseRollback(context, asked, line)
  const identity: PlanDecision = {
    subject: 'trial',
    choice: `${id}, to be confirmed within ${deadline / 1000} s of the new kernel's start`,
    reason: `asked for with ${flagName('trial')}; until then the machine comes back by a reset`,
  }
  return {
    value: { id, deadline, guards, coverage, ...rollback.value, nextInit: next, overlay },
    decisions: [identity, ...coverage.map((row) => decisionOn(row, possible)), blackBox, ...rollback.decisions],
    remarks: [
      ...remarks,
      ...lostRecord(context),
      ...coverage.flatMap((row) => gap(row, possible)),
      ...rollback.remarks,
      ...removed(line, id),
    ],
  }
}

/** The facts of a plan with the files that a trial adds to the initrd. */
export function withTrialFiles(context: Context, trial: ChosenTrial | null): Context {
  if (trial === null || trial.overlay.length === 0) return context
  const { initrds } = context
  return { ...context, initrds: { ...initrds, overlay: [...initrds.overlay, ...trial.overlay] } }
}

/** `remove` and `append` may have taken a guard away again. */
async function chosenGuards(
  { system, kernel }: Context,
  { id, asked, watchdog, blackBox }: PossibleTrial,
  line: CommandLine,
): Promise<ChosenGuards> {
  const remarks: Remark[] = []
  const next = nextInit(line)
  const files =
    next === null
      ? []
      : deadmanOverlay({
          id,
          deadlineSeconds: asked.deadline / 1000,
          architecture: kernel.image.architecture ?? '',
          nextInit: next,
        })
  const { modules, decision } = await chosenBlackBox({ system, kernel }, blackBox, { line, hasDeadman: next !== null })
  // Bytes have no name of their own: `status` shows where they go.
  const items = gatherOverlays(system, [...files, ...modules], (error) => remarks.push(refusal(error)))
  const overlay = items.map((item) => ({ ...item, from: item.path }))
  const has = ({ raw }: { readonly raw: string }) => line.parameters.some((parameter) => parameter.raw === raw)
  const isWatched = watchdog.parameters.every(has)
  const guards = {
    panic: panicSeconds(line),
    watchdog: isWatched ? watchdog.guard : null,
    deadman: next !== null && overlay.length > 0,
  }
  return { guards, nextInit: guards.deadman ? next : null, overlay, remarks, blackBox: decision }
}

interface ChosenGuards extends Pick<ChosenTrial, 'guards' | 'nextInit' | 'overlay'> {
  readonly remarks: readonly Remark[]
  readonly blackBox: PlanDecision
}

function decisionOn({ failure, text, guard }: TrialCoverage, { watchdog, deadman }: PossibleTrial): PlanDecision {
  const why = failure === 'hang' ? watchdog.reason : failure === 'panic' ? 'panic= on its command line' : deadman.reason
  return { subject: 'trial', choice: `if ${text}: ${guard ?? 'nothing would bring the machine back'}`, reason: why }
}

function gap({ text, guard, failure }: TrialCoverage, { asked, watchdog, deadman }: PossibleTrial): Remark[] {
  if (guard !== null) return []
  const reason = failure === 'hang' ? watchdog.reason : deadman.reason
  const summary = `if ${text}, nothing would bring the machine back: ${reason}`
  if (asked.allowGaps) return [warning('trial-gap', summary)]
  const hint = orAccept(failure === 'hang' ? watchdog.remedy : 'Load it with an initrd')
  return [refusal(new KexecError(summary, { reason: 'no-guard', hint, refused: true }))]
}

/** A kexec empties memory file systems as a reset does. */
function lostRecord({ system }: Context): Remark[] {
  const place = trialPlace(system)
  const found = 'path' in place ? recordPlace(system, place.path) : undefined
  if (found?.isInMemory !== true) return []
  const text = `the record of the trial lies in memory (${found.words}): the new kernel cannot be confirmed; name another directory in ${PLACE_FILE}`
  return [warning('trial-record', text)]
}

/** Without its parameter nobody can tell the trial from another boot. */
function removed(line: CommandLine, id: string): Remark[] {
  if (lastParameter(line, TRIAL_PARAMETER)?.value === id) return []
  const hint = `Do not remove or repeat ${TRIAL_PARAMETER}.`
  const summary = 'the command line does not identify the trial'
  return [refusal(new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }))]
}
