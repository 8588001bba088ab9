import type { PlannedSegment } from '../../engine/layout/segments/segment.ts'
import type { LoadVerdict } from '../../policy/verdict/predict.ts'
import type { Context } from '../context/context.ts'
import { type Choice, together } from '../model/decision.ts'
import { type ChosenTrial, chooseTrial, withTrialFiles } from '../trial/choice.ts'
import { possibleTrial } from '../trial/guards.ts'
import { type ChosenCommandLine, chooseCommandLine } from './command-line.ts'
import { chooseDeviceTree, type GivenTree } from './device-tree.ts'
import { chooseEngine, type Engine } from './engine.ts'
import { chooseFastMeasures, type FastMeasures } from './fast.ts'
import { placeSegments } from './segments.ts'
import { judge } from './verdict.ts'
import { chooseVerification } from './verification.ts'

/** How the kernel will be loaded. */
export interface Choices {
  readonly commandLine: ChosenCommandLine
  /** Its text as it would be without the trial. */
  readonly plainCommandLine: string
  readonly engine: Engine
  /** With the engine `segments`: whether all segments are hashed before the new kernel starts. */
  readonly verify: boolean
  readonly deviceTree: GivenTree | null
  readonly measures: FastMeasures
  /** With the engine `segments`: the place of each, as far as it is known before the load; else null. */
  readonly segments: readonly PlannedSegment[] | null
  /** The trial that the load is; null for a plain load. */
  readonly trial: ChosenTrial | null
  /** The kernel's predicted answer, as far as its policy shows; null for a machine other than the running one. */
  readonly verdict: LoadVerdict | null
}

/**
 * Makes all choices, each from the context and the choices before it.
 * @returns also the context as they leave it: with the files that a trial adds to the initrd
 */
export async function choose(given: Context): Promise<Choice<Choices> & { readonly context: Context }> {
  const possible = possibleTrial(given)
  const commandLine = chooseCommandLine(given, possible)
  const { text, parsed } = commandLine.value
  const trial = await chooseTrial(given, possible, parsed)
  const context = withTrialFiles(given, trial.value)
  const engine = chooseEngine(context, text)
  const verify = chooseVerification(context, engine.value)
  const deviceTree = chooseDeviceTree(context, engine.value)
  const load = { engine: engine.value, commandLine: text, verify: verify.value }
  const measures = chooseFastMeasures(context, load)
  const segments = placeSegments(context, { ...load, deviceTree: deviceTree.value, measures: measures.value })
  const verdict = await judge(context, engine.value)
  const plainCommandLine = possible === null ? text : chooseCommandLine(given, null).value.text
  const { value, ...found } = together({ commandLine, engine, verify, deviceTree, measures, segments, trial, verdict })
  return { ...found, value: { ...value, plainCommandLine }, context }
}
