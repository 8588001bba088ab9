import { imageInput } from '../image/inspect/input.ts'
import {
  abortSignal,
  checkOptions,
  flag,
  isObject,
  listOf,
  milliseconds,
  type OptionKind,
  type OptionKinds,
  oneOf,
  oneOrMore,
  path,
  text,
  wholeNumber,
} from '../options.ts'
import type { LoadPlan } from '../plan/load-plan.ts'
import type { PlanOptions, TrialOptions } from '../plan/model/options.ts'
import { plan as planFor } from '../plan/plan.ts'
import { unload as unloadImage } from '../plan/unload.ts'
import { machineOption } from './machine.ts'

const overlay: OptionKind = {
  what: "'SOURCE', 'SOURCE:DESTINATION' or { source, destination, mode }",
  accepts: (value) => typeof value === 'string' || (isObject(value) && isOverlay(value)),
}

function isOverlay({ source, destination, mode, ...others }: Record<string, unknown>): boolean {
  const isSource = typeof source === 'string' || source instanceof Uint8Array
  const isDestination = destination === undefined || typeof destination === 'string'
  const isMode = mode === undefined || (Number.isInteger(mode) && (mode as number) >= 0 && (mode as number) <= 0o7777)
  return isSource && isDestination && isMode && Object.keys(others).length === 0
}

const trialKinds: OptionKinds<TrialOptions> = { deadline: milliseconds, fallback: text, allowGaps: flag }

const trial: OptionKind = {
  what: 'true, false or { deadline, fallback, allowGaps }',
  accepts: (value) => typeof value === 'boolean' || (isObject(value) && isTrial(value)),
}

const requireRehearsal: OptionKind = {
  what: 'true, false or a number of days of at least 1',
  accepts: (value) => typeof value === 'boolean' || (Number.isInteger(value) && (value as number) >= 1),
}

function isTrial(given: Record<string, unknown>): boolean {
  return Object.entries(given).every(
    ([name, value]) =>
      Object.hasOwn(trialKinds, name) && (value === undefined || trialKinds[name as keyof TrialOptions].accepts(value)),
  )
}

export const planKinds: OptionKinds<PlanOptions> = {
  ...machineOption,
  entry: text,
  kernel: imageInput,
  target: text,
  initrds: listOf(imageInput),
  profile: wholeNumber,
  configuration: text,
  vendorBoot: imageInput,
  noInitrd: flag,
  overlay: listOf(overlay),
  reuseCommandLine: flag,
  commandLine: text,
  exactCommandLine: text,
  append: oneOrMore(text),
  remove: oneOrMore(text),
  deviceTree: path,
  panic: flag,
  engine: oneOf('auto', 'file', 'segments'),
  fast: flag,
  verifyInPurgatory: flag,
  tryAnyway: flag,
  trial,
  requireRehearsal,
  signal: abortSignal,
}

/**
 * Decides which kernel would be loaded and how, with the reasons. Changes nothing. The inspected files stay open, so that
 * `load()` loads exactly these. Close a plan that is not loaded (`using`, or `close()`).
 * @throws KexecError when there is nothing to plan for ('no-such-entry', 'ambiguous-entry', 'invalid-argument'), or when
 *   the kernel cannot be opened. All other obstacles are in `refusals`.
 */
export async function plan(options?: PlanOptions): Promise<LoadPlan> {
  return planFor(checkOptions('plan()', options, planKinds))
}

export interface UnloadOptions {
  /** The crash kernel. */
  readonly panic?: boolean
}

/**
 * Unloads the loaded kernel, or with `panic` the crash kernel, no matter which call loaded it. It is not an error when
 * none is loaded.
 * @throws KexecError 'no-capability', …; 'busy' while another linux-kexec is at work; 'invalid-argument'
 */
export function unload(options?: UnloadOptions): void {
  unloadImage(checkOptions('unload()', options, { panic: flag }))
}
