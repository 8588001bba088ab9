import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { engineFor } from '../../image/model/engines.ts'
import { flagName, optionName } from '../../option-name.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import { familyOf } from '../../system/architecture.ts'
import type { Context } from '../context/context.ts'
import { whyItMayTrip } from '../context/paging.ts'
import { hasKexecFileLoad } from '../context/running-machine.ts'
import type { Choice, PlanDecision } from '../model/decision.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

/** The syscall that loads a plan: 'file' is kexec_file_load(2), 'segments' is kexec_load(2). */
export type Engine = 'file' | 'segments'

const { warning, refusal } = remarksOn('engine')

/**
 * Chooses the engine. `auto` is kexec_file_load wherever the running kernel has it, even where it refuses an image:
 * another way in must not be a way around a signature.
 */
export function chooseEngine(context: Context, commandLine: string): Choice<Engine> {
  const { engine = 'auto', panic } = context.options
  const kind: PlanDecision[] = panic
    ? [{ subject: 'kind', choice: 'crash kernel', reason: `asked for with ${flagName('panic')}; a panic starts it` }]
    : []
  const decide = (choice: Engine, reason: string): PlanDecision[] => [{ subject: 'engine', choice, reason }, ...kind]
  if (engine === 'segments') {
    const reason = `asked for with ${optionName('engine')}. ${WHAT.segments}`
    return { value: engine, decisions: decide(engine, reason), remarks: remarksOnSegments(context) }
  }
  const why = engine === 'auto' && isServed(context) ? whySegments(context, commandLine) : null
  const chosen = why === null ? 'file' : 'segments'
  const reason = why === null ? WHAT.file : `${why}. ${WHAT.segments}`
  return { value: chosen, decisions: decide(chosen, reason), remarks: [] }
}

const WHAT = {
  file: 'kexec_file_load: the kernel itself reads and checks the image',
  segments: 'kexec_load: the image is laid out here, and nothing checks its signature',
} as const

/** Why `auto` takes kexec_load for a kernel that it serves; null when it does not. */
function whySegments(context: Context, commandLine: string): string | null {
  const { kernel, policy, running, options } = context
  const { panic, fast, deviceTree } = options
  if (barring(context) === null) {
    if (engineFor(kernel.image).engine === 'segments') return `kexec_file_load takes no ${kernel.image.format} here`
    if (deviceTree !== undefined && takesDeviceTree(context)) return 'kexec_file_load takes no device tree'
    if (whyItMayTrip(running, kernel.image, commandLine) !== null)
      return 'the new kernel may trip over the 5 levels of page tables of the running one (la57), which this engine avoids'
  }
  const isMissing = policy?.kexecFileLoad.mode === 'unsupported' || !hasKexecFileLoad(running)
  const hasOther = policy !== null && policy.kexecLoad.mode !== 'unsupported'
  if (isMissing && hasOther && !lacksCrash(context)) return 'the running kernel has no kexec_file_load'
  if (fast && !panic && checksNothing(policy)) return `the faster of the two, for ${flagName('fast')}`
  return null
}

/**
 * The obstacle for an image that only kexec_load takes. Null when there is none, for an image that needs no kexec_load,
 * and for one that nobody lays out: the kernel's own refusal is shown then.
 */
export function whyNotSegments(context: Context): string | null {
  if (engineFor(context.kernel.image).engine !== 'segments' || !isServed(context)) return null
  return context.options.engine === 'file' ? 'the engine `file` was asked for' : barring(context)
}

/** Why `auto` does not give an image to kexec_load, although nothing else takes it; null when it does. */
function barring(context: Context): string | null {
  const { policy } = context
  if (lacksCrash(context)) return 'this version loads no crash kernels with kexec_load here'
  if (policy === null || checksNothing(policy)) return null
  const { kexecLoad, signature } = policy
  if (kexecLoad.mode !== 'unchecked') return kexecLoad.why
  const asks = signature.required
    ? 'this machine requires signatures of kernels'
    : signature.required === null
      ? 'this machine may require signatures of kernels'
      : 'IMA has rules on this machine'
  return `${asks}, and kexec_load checks none: ${optionName('engine', 'segments')} takes it anyway`
}

/** Whether it is certain that neither way checks a signature: the faster engine must not be a way around one. */
function checksNothing(policy: KexecPolicy | null): boolean {
  return policy?.kexecLoad.mode === 'unchecked' && policy.signature.required === false && policy.ima.rules.length === 0
}

/** Whether a layout exists for such a kernel, and the machine is one that it runs on. */
function isServed({ kernel, running: { architecture } }: Context): boolean {
  const served = segmentArchitecture(kernel.image)
  return served !== undefined && (architecture === null || familyOf(architecture) === served.name)
}

/** Whether a kernel can be given another device tree than the running one. */
export function takesDeviceTree(context: Context): boolean {
  return isServed(context) && segmentArchitecture(context.kernel.image)?.hasDeviceTree === true
}

/** Whether a crash kernel is requested on an architecture that has none through kexec_load. */
function lacksCrash({ kernel, options }: Context): boolean {
  return options.panic === true && segmentArchitecture(kernel.image)?.loadsCrashKernels !== true
}

/** The missing requirement of the engine `segments`, where it was requested. */
function remarksOnSegments(context: Context): Remark[] {
  const { kernel, policy } = context
  const remarks: Remark[] = []
  if (lacksCrash(context) && isServed(context)) {
    remarks.push(refuse('the engine `segments` (kexec_load) loads no crash kernels here in this version'))
  }
  // A file that is not a kernel at all has its own refusal.
  else if (kernel.image.bootable && !isServed(context)) {
    const what = `${kernel.image.format} of ${kernel.image.architecture ?? 'an unknown architecture'}`
    remarks.push(refuse(`the engine \`segments\` (kexec_load) loads no ${what} in this version`))
  }
  if (policy?.signature.required) {
    const text = 'the running kernel requires signatures of kexec_file_load, and kexec_load checks none'
    remarks.push(warning('signature-not-checked', text))
  }
  return remarks
}

function refuse(summary: string): Remark {
  const hint = `Omit ${optionName('engine')}, or give ${optionName('engine', 'file')}.`
  return refusal(new KexecError(summary, { reason: 'invalid-argument', hint, refused: true }))
}
