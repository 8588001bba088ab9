import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { engineFor } from '../../image/model/engines.ts'
import { detectPolicy } from '../../policy/detect.ts'
import { DISABLED } from '../../policy/limits/switches.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import type { System } from '../../system/system.ts'
import { whyItMayTrip } from '../checks/paging.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import { familyOf, hasKexecFileLoad, readRunningKernel } from '../context/running-kernel.ts'
import type { Findings } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'

/** Which syscall loads a plan: 'file' is kexec_file_load(2), 'segments' is kexec_load(2). */
export type Engine = 'file' | 'segments'

/** The policy of the machine the plan is for; null for a folder that holds no /proc of one. */
export function policyFor(system: System): KexecPolicy | null {
  return !system.isLive && !system.exists(DISABLED) ? null : detectPolicy({ system })
}

/** What the engine is chosen for. */
export interface ChosenLoad {
  readonly kernel: PlannedKernel
  readonly commandLine: string
  /** Of the running machine; null for another one. */
  readonly policy: KexecPolicy | null
}

/**
 * Chooses the engine. `auto` is kexec_file_load wherever the running kernel has it, also where that refuses an image: another
 * way in must not be a way around a signature.
 */
export function chooseEngine(system: System, load: ChosenLoad, options: PlanOptions, findings: Findings): Engine {
  const { kernel } = load
  const engine = engineOf(system, load, options, findings)
  if (options.panic) findings.decide('kind', 'crash kernel', 'asked for with --panic; a panic starts it')
  if (options.devicetree !== undefined) refuseDeviceTree(system, kernel, engine, findings)
  return engine
}

const WHAT = {
  file: 'kexec_file_load: the kernel itself reads and checks the image',
  segments: 'kexec_load: the image is laid out here, and nothing checks its signature',
} as const

function engineOf(system: System, load: ChosenLoad, options: PlanOptions, findings: Findings): Engine {
  const { kernel, policy } = load
  const { engine = 'auto', panic } = options
  if (engine === 'segments') {
    findings.decide('engine', engine, `asked for with --engine. ${WHAT.segments}`)
    refuseWhatSegmentsLack(system, kernel, panic, findings)
    if (policy?.signature.required) {
      findings.warn('the running kernel requires signatures of kexec_file_load, and kexec_load checks none')
    }
    return engine
  }
  const why = engine === 'auto' && isServed(system, kernel) ? whySegments(system, load, options) : null
  const chosen = why === null ? 'file' : 'segments'
  findings.decide('engine', chosen, why === null ? WHAT.file : `${why}. ${WHAT.segments}`)
  return chosen
}

/** Why `auto` takes kexec_load for a kernel that it serves; null when it does not. */
function whySegments(
  system: System,
  { kernel, commandLine, policy }: ChosenLoad,
  { panic, fast, devicetree }: PlanOptions,
): string | null {
  if (barring(kernel, policy, panic) === null) {
    if (engineFor(kernel.image).engine === 'segments') return `kexec_file_load takes no ${kernel.image.format} here`
    if (devicetree !== undefined && takesDeviceTree(system, kernel)) return 'kexec_file_load takes no device tree'
    if (whyItMayTrip(system, kernel.image, commandLine) !== null)
      return 'the new kernel may trip over the 5 levels of page tables of the running one (la57), which this engine mends'
  }
  const isMissing = policy?.kexecFileLoad.mode === 'unsupported' || !hasKexecFileLoad(readRunningKernel(system))
  const hasOther = policy !== null && policy.kexecLoad.mode !== 'unsupported'
  if (isMissing && hasOther && !lacksCrash(kernel, panic)) return 'the running kernel has no kexec_file_load'
  if (fast && !panic && checksNothing(policy)) return 'the faster of the two, for --fast'
  return null
}

/**
 * What an image that only kexec_load takes has against it; null when there is nothing, and for an image that needs no kexec_load
 * or that nobody lays out. It is the kernel's refusal then that is told.
 */
export function whyNotSegments(
  system: System,
  kernel: PlannedKernel,
  policy: KexecPolicy | null,
  { engine = 'auto', panic }: PlanOptions,
): string | null {
  if (engineFor(kernel.image).engine !== 'segments' || !isServed(system, kernel)) return null
  return engine === 'file' ? 'the engine `file` was asked for' : barring(kernel, policy, panic)
}

/** Why an image is not given to kexec_load by itself, although nothing else takes it; null when it is. */
function barring(kernel: PlannedKernel, policy: KexecPolicy | null, panic: boolean | undefined): string | null {
  if (lacksCrash(kernel, panic)) return 'no crash kernels are loaded so in this version'
  if (policy === null || checksNothing(policy)) return null
  const { kexecLoad, signature } = policy
  if (kexecLoad.mode !== 'unchecked') return kexecLoad.why
  const asks = signature.required
    ? 'this machine requires signatures of kernels'
    : signature.required === null
      ? 'this machine may require signatures of kernels'
      : 'IMA has rules on this machine'
  return `${asks}, and kexec_load checks none: \`--engine segments\` takes it all the same`
}

/** Whether it is certain that no signature would be looked at either way: the faster engine must not be a way around one. */
function checksNothing(policy: KexecPolicy | null): boolean {
  return policy?.kexecLoad.mode === 'unchecked' && policy.signature.required === false && policy.ima.rules.length === 0
}

/** Whether there is someone to lay out such a kernel, and the machine is one that it runs on. */
function isServed(system: System, { image }: PlannedKernel): boolean {
  const { architecture } = readRunningKernel(system)
  const served = segmentArchitecture(image)
  return served !== undefined && (architecture === null || familyOf(architecture) === served.name)
}

function takesDeviceTree(system: System, kernel: PlannedKernel): boolean {
  return isServed(system, kernel) && segmentArchitecture(kernel.image)?.hasDeviceTree === true
}

function refuseDeviceTree(system: System, kernel: PlannedKernel, engine: Engine, findings: Findings): void {
  if (!takesDeviceTree(system, kernel)) {
    const { format, architecture } = kernel.image
    refuse(findings, `a ${format} of ${architecture} is given no device tree`, 'Leave --dtb away.')
  } else if (engine === 'file') {
    const hint = 'Leave --dtb away, or give --engine segments.'
    refuse(findings, 'the engine `file` (kexec_file_load) gives the new kernel the running device tree', hint)
  }
}

/** Whether a crash kernel is asked for of an architecture that has none through kexec_load. */
function lacksCrash({ image }: PlannedKernel, panic: boolean | undefined): boolean {
  return panic === true && segmentArchitecture(image)?.loadsCrashKernels !== true
}

function refuseWhatSegmentsLack(
  system: System,
  kernel: PlannedKernel,
  panic: boolean | undefined,
  findings: Findings,
): void {
  const without = 'Leave --engine away, or give --engine file.'
  if (lacksCrash(kernel, panic) && isServed(system, kernel)) {
    refuse(findings, 'the engine `segments` (kexec_load) loads no crash kernels here in this version', without)
  }
  // What the image is and why that will not do is told by itself when it is no kernel at all.
  else if (kernel.image.bootable && !isServed(system, kernel)) {
    const what = `${kernel.image.format} of ${kernel.image.architecture ?? 'an unknown architecture'}`
    refuse(findings, `the engine \`segments\` (kexec_load) loads no ${what} in this version`, without)
  }
}

function refuse(findings: Findings, summary: string, hint: string): void {
  findings.refuse(new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }))
}
