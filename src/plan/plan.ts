import { heed, throwIfAborted } from '../abort.ts'
import { holdInput } from '../image/inspect/input.ts'
import { System } from '../system/system.ts'
import { checks } from './checks/list.ts'
import { choose } from './choices/choices.ts'
import { type Context, closeFiles, type PlanAdditions, readContext } from './context/context.ts'
import { sortFindings } from './findings.ts'
import { LoadPlan } from './load-plan.ts'
import type { Choice } from './model/decision.ts'
import type { PlanOptions } from './model/options.ts'

/**
 * Decides which kernel would be loaded and how, with the reasons. Changes nothing. The inspected files stay open, so
 * that `load()` loads exactly these. Close a plan that is not loaded (`using`, or `close()`).
 * @throws KexecError when there is nothing to plan for ('no-such-entry', 'ambiguous-entry', 'invalid-argument'), or
 *   when the kernel cannot be opened. All other obstacles are in `refusals`.
 */
export async function plan(given: PlanOptions, system: System = new System(given.root)): Promise<LoadPlan> {
  const options = { ...given, ...heldStreams(given) }
  heed(options.signal)
  throwIfAborted(options.signal)
  const read = await readContext(system, options)
  try {
    return await planOf(read)
  } catch (error) {
    closeFiles(read.value)
    throw error
  }
}

/**
 * A plan of the same open files with further parameters, and with further files in the initrd. Nothing is opened again, so it
 * closes together with the plan that it is made from.
 * @internal for a rehearsal
 */
export function extendedPlan(plan: LoadPlan, additions: PlanAdditions): Promise<LoadPlan> {
  return planOf(plan.extended(additions))
}

async function planOf({ value: read, ...found }: Choice<Context>): Promise<LoadPlan> {
  const { value: choices, context, ...chosen } = await choose(read)
  const decisions = [...found.decisions, ...chosen.decisions]
  const remarks = [...found.remarks, ...chosen.remarks]
  // In sequence: no check may read files that are closed because another check failed.
  for (const check of checks) remarks.push(...(await check(context, choices)))
  return new LoadPlan(context, choices, sortFindings(decisions, remarks))
}

/** All streams, before the first of them is read. */
function heldStreams({ kernel, initrds, vendorBoot }: PlanOptions): Partial<PlanOptions> {
  return {
    ...(kernel === undefined ? {} : { kernel: holdInput(kernel) }),
    ...(initrds === undefined ? {} : { initrds: initrds.map(holdInput) }),
    ...(vendorBoot === undefined ? {} : { vendorBoot: holdInput(vendorBoot) }),
  }
}
