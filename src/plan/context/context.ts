import type { InitrdOverlay } from '../../initrd/overlay.ts'
import { detectPolicy } from '../../policy/detect.ts'
import { DISABLED } from '../../policy/limits/switches.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import type { System } from '../../system/system.ts'
import type { Choice } from '../model/decision.ts'
import { listOf, type PlanOptions } from '../model/options.ts'
import { chooseInitrds, chooseOverlay, closeArchives, type PlannedInitrds } from './initrds.ts'
import { closeKernel, openKernel, type PlannedKernel } from './kernel.ts'
import { type RunningMachine, readRunningMachine } from './running-machine.ts'
import { unpackedBytes } from './sizes.ts'
import { chooseTarget, type Target } from './target.ts'

/** The facts that a plan is made from, each read once. The files are open. */
export interface Context {
  readonly system: System
  readonly options: PlanOptions
  readonly target: Target
  readonly kernel: PlannedKernel
  readonly initrds: PlannedInitrds
  /** The unpacked size of the initrds, in bytes. Read for crash kernels only; null where unknown. */
  readonly unpackedBytes: number | null
  readonly running: RunningMachine
  /** The policy of the machine that the plan is for; null for a directory without a /proc of one. */
  readonly policy: KexecPolicy | null
}

/**
 * Finds the kernel to load, opens its files and reads the machine.
 * @throws KexecError when there is nothing to plan for, or when the kernel cannot be opened; then no file stays open
 */
export async function readContext(system: System, options: PlanOptions): Promise<Choice<Context>> {
  const target = await chooseTarget(system, options)
  const kernel = await openKernel(system, target.value.kernel, chosenParts(options, target.value))
  let initrds: Choice<PlannedInitrds> | undefined
  try {
    initrds = await chooseInitrds(system, options, target.value, kernel)
    const context = {
      system,
      options,
      target: target.value,
      kernel,
      initrds: initrds.value,
      unpackedBytes: options.panic ? await unpackedBytes(initrds.value, options.signal) : null,
      running: readRunningMachine(system),
      policy: policyFor(system),
    }
    return {
      value: context,
      decisions: [...target.decisions, ...initrds.decisions],
      remarks: [...target.remarks, ...initrds.remarks],
    }
  } catch (error) {
    closeFiles({ kernel, initrds: initrds?.value })
    throw error
  }
}

/** What a plan can be extended by. */
export type PlanAdditions = { readonly append: readonly string[]; readonly overlay: readonly InitrdOverlay[] }

/** The same files, with further options: nothing is opened again. */
export function extendedContext(context: Context, { append, overlay }: PlanAdditions): Choice<Context> {
  const { system, options, initrds } = context
  const { value: items, ...found } = chooseOverlay(system, { overlay })
  const value = {
    ...context,
    options: { ...options, append: [...listOf(options.append), ...append] },
    initrds: { ...initrds, overlay: [...initrds.overlay, ...items] },
  }
  return { value, ...found }
}

function policyFor(system: System): KexecPolicy | null {
  return !system.isLive && !system.exists(DISABLED) ? null : detectPolicy({ system })
}

function chosenParts(options: PlanOptions, target: Target) {
  const { configuration, vendorBoot, signal } = options
  const profile = options.profile ?? target.profile
  return {
    ...(profile === null ? {} : { profile }),
    ...(configuration === undefined ? {} : { configuration }),
    vendorBoot,
    signal,
  }
}

/** Closes the files that were opened for a plan. */
export function closeFiles({
  kernel,
  initrds,
}: {
  readonly kernel: PlannedKernel
  readonly initrds: PlannedInitrds | undefined
}): void {
  closeKernel(kernel)
  if (initrds !== undefined) closeArchives(initrds)
}
