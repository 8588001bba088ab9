import { posix } from 'node:path'
import { heed, throwIfAborted } from '../abort.ts'
import { holdInput } from '../image/inspect/open.ts'
import { System } from '../system/system.ts'
import { checkKernel, checkMachine, checkModules, checkUnified, checkWritable } from './checks/checks.ts'
import { unpackedBytes } from './checks/crash-memory.ts'
import { checkInitrds } from './checks/initrd-content.ts'
import { checkPagingLeft, checkPagingOfVmlinux } from './checks/paging.ts'
import { checkSizes, type PlannedSizes } from './checks/sizes.ts'
import { checkLength, chooseCommandLine } from './choices/command-line.ts'
import { readGivenTree } from './choices/device-tree.ts'
import { chooseEngine, policyFor, whyNotSegments } from './choices/engine.ts'
import { chooseFastMeasures, noMeasures } from './choices/fast.ts'
import { planSegments } from './choices/segments.ts'
import { judge } from './choices/verdict.ts'
import { chooseVerification } from './choices/verification.ts'
import { chooseInitrds, type InitrdChoice } from './context/initrds.ts'
import { kernelFiles, openKernel } from './context/kernel.ts'
import { chooseTarget, type Target } from './context/target.ts'
import { type Choices, closeFiles, LoadPlan } from './load-plan.ts'
import { originOf } from './loading/remembered.ts'
import { Findings } from './model/decision.ts'
import type { PlanOptions } from './model/options.ts'

export type { LoadPlan } from './load-plan.ts'

/**
 * Decides what would be loaded, and why; touches nothing. The files are opened and stay open: what was inspected is what
 * `load()` loads. Close the plan when it is not loaded (`using`, or `close()`).
 * @throws KexecError when there is nothing to plan for ('no-such-entry', 'ambiguous-entry', 'invalid-argument'), or when the
 *   kernel cannot be opened. All other obstacles are told together, in `refusals`.
 */
export async function plan(given: PlanOptions = {}): Promise<LoadPlan> {
  const options = { ...given, ...heldStreams(given) }
  heed(options.signal)
  throwIfAborted(options.signal)
  const system = options.root instanceof System ? options.root : new System(options.root)
  const findings = new Findings()
  const target = await chooseTarget(system, options, findings)
  const kernel = await openKernel(system, target.kernel, chosenParts(options, target))
  let choice: InitrdChoice | undefined
  try {
    choice = await chooseInitrds(system, options, target, kernel, findings)
    const policy = policyFor(system)
    const [aboutEngine, aboutCommandLine] = [new Findings(), new Findings()]
    const commandLine = chooseCommandLine(system, options, target, kernel, choice, aboutCommandLine)
    const engine = chooseEngine(system, { kernel, commandLine, policy }, options, aboutEngine)
    const barring = whyNotSegments(system, kernel, policy, options)
    checkKernel(system, kernel, { engine, barring, tryAnyway: options.tryAnyway ?? false }, findings)
    checkUnified(kernel, options, findings)
    findings.add(aboutCommandLine)
    await checkInitrds(choice, findings)
    const { panic = false, tryAnyway = false } = options
    const unpacked = panic ? await unpackedBytes(choice, options.signal) : null
    const chosen = { target, kernel, choice, commandLine, panic, origin: originOf(options, target.entry) }
    checkEverything(system, { ...chosen, unpackedBytes: unpacked, tryAnyway }, findings)
    findings.add(aboutEngine)
    const verify = chooseVerification(engine, kernel, options, findings)
    if (engine === 'segments') checkPagingOfVmlinux(system, kernel.image, findings)
    else checkPagingLeft(system, kernel.image, commandLine, findings)
    const deviceTree = engine === 'segments' ? readGivenTree(system, kernel, options, findings) : null
    if (deviceTree !== null) checkWritable(system, [deviceTree.path], findings)
    const measures = options.fast
      ? chooseFastMeasures(system, { policy, engine, kernel, choice, commandLine, verify, panic }, findings)
      : noMeasures
    const tree = deviceTree?.tree ?? null
    const laidOut = {
      kernel,
      choice,
      commandLine,
      verify,
      panic,
      deviceTree: tree,
      inFreeMemory: measures.inFreeMemory,
    }
    const segments = engine === 'segments' ? planSegments(system, laidOut, findings) : null
    checkMachine(system, { engine, panic, tryAnyway }, findings)
    const verdict = await judge(policy, engine, kernel, choice, options, findings)
    const decided = { verdict, tryAnyway, engine, segments, measures, verify, deviceTree }
    return new LoadPlan({ ...chosen, ...decided, system, findings })
  } catch (error) {
    closeFiles(kernel, choice)
    throw error
  }
}

/** All streams, before the first of them is read. */
function heldStreams({ kernel, initrds, vendorBoot }: PlanOptions): Partial<PlanOptions> {
  return {
    ...(kernel === undefined ? {} : { kernel: holdInput(kernel) }),
    ...(initrds === undefined ? {} : { initrds: initrds.map(holdInput) }),
    ...(vendorBoot === undefined ? {} : { vendorBoot: holdInput(vendorBoot) }),
  }
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

function checkEverything(
  system: System,
  choices: Choices & Pick<PlannedSizes, 'unpackedBytes' | 'tryAnyway'>,
  findings: Findings,
): void {
  const { target, kernel, choice, commandLine } = choices
  const files = choice.initrds.flatMap(({ file }) => file ?? [])
  checkLength(commandLine, kernel.image, kernel.file.path, findings)
  checkWritable(
    system,
    [...[...kernelFiles(kernel), ...files].map(({ path }) => path), ...pathsBeside(choices)],
    findings,
  )
  // An entry brings the same among its problems.
  if (target.entry === null) checkModules(system, kernel.image.version, findings)
  checkSizes(system, { ...choices, source: target.entry?.source ?? null }, findings)
}

/** What else decides what is started: where the entry stands, what is laid over the initrd, what would be found beside a UKI. */
function pathsBeside({ target, kernel, choice }: Choices): string[] {
  const { path } = kernel.file
  const beside = kernel.unified === null ? [] : [`${path}.extra.d`, posix.resolve(path, '../../../loader/addons')]
  return [...(target.entry?.config ? [target.entry.config] : []), ...choice.overlay.map(({ from }) => from), ...beside]
}
