import { parseCommandLine, printCommandLine } from '../../cmdline/parse.ts'
import { reuseCommandLine } from '../../cmdline/reuse.ts'
import { KexecError } from '../../errors.ts'
import { explanations } from '../../plan/explain.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'
import type { PlanOptions } from '../../plan/model/options.ts'
import { plan } from '../../plan/plan.ts'
import { System } from '../../system/system.ts'
import { stderr } from '../output/descriptor.ts'
import { describe } from '../output/failure.ts'
import { note, warn } from '../output/output.ts'
import { planReport } from '../reports/plan-report.ts'
import { warningsBeforeLoad } from '../reports/plan-warnings.ts'
import type { LoadRequest } from './request.ts'

/**
 * Loads as kexec-tools does: only the named kernel and initrd, and the command line literally. A load that the kernel
 * would refuse, or a kernel that would not boot, is refused before anything is touched.
 * @throws KexecError
 */
export async function load(
  request: LoadRequest,
  { panic, debug }: { readonly panic: boolean; readonly debug: boolean },
): Promise<void> {
  const { signal } = interruption()
  using made = await planFor(request, { panic, signal })
  for (const { text } of warningsBeforeLoad(made, false)) warn(text)
  if (debug) note(planReport(explanations(made), stderr))
  const [refusal, ...others] = made.refusals
  if (refusal !== undefined) {
    for (const other of others) describe(other)
    throw refusal
  }
  checkType(request.type, made)
  await made.load({ signal })
}

async function planFor(request: LoadRequest, given: PlanOptions): Promise<LoadPlan> {
  const { kernel, initrd, engine } = request
  // As kexec-tools does, it takes every name for a file's.
  const initrds = initrd === null ? {} : { initrds: [initrd === 'running' ? './running' : initrd] }
  const options = { ...given, kernel, engine, ...initrds }
  const commandLine = commandLineOf(request, given.panic ?? false)
  if (commandLine !== null) return plan({ ...options, exactCommandLine: commandLine })
  // A unified kernel image has its own; for any other kernel an absent one is empty, as in kexec-tools.
  const made = await plan(options)
  if (!made.refusals.some(({ reason }) => reason === 'no-command-line')) return made
  made.close()
  return plan({ ...options, exactCommandLine: '' })
}

/** The requested command line; null when none was. */
function commandLineOf({ reuseCommandLine: reuse, append }: LoadRequest, panic: boolean): string | null {
  if (!reuse) return append
  const running = new System().runningCommandLine()
  if (running === undefined) {
    throw new KexecError('there is no running command line to reuse', {
      reason: 'no-command-line',
      path: '/proc/cmdline',
      hint: 'Give the command line with --command-line.',
      refused: true,
    })
  }
  const base = withoutBoot(running, panic)
  return append === null ? base : `${base} ${append}`
}

/** Where no parameter belongs to the past boot, the text stays unchanged, including its spaces. */
function withoutBoot(running: string, panic: boolean): string {
  const kept = printCommandLine(reuseCommandLine(running, { panic }))
  return kept === printCommandLine(parseCommandLine(running)) ? running : kept
}

/** kexec-tools' names for the formats that kexec_file_load takes, by our name of the format. */
const types: Readonly<Record<string, readonly string[]>> = {
  bzImage: ['bzImage', 'bzImage64', 'bzImage-x86'],
}

/** kexec_file_load recognises the image by itself; a type that disagrees gets a warning. */
function checkType(type: string | null, { image }: LoadPlan): void {
  const expected = types[image.format]
  if (type === null || expected === undefined || expected.includes(type)) return
  warn(`-t ${type} has no effect: this is ${image.description}, and the kernel recognises that by itself`)
}

/** An interrupted load must not leave half of it: the signals end it between two steps. */
function interruption(): AbortController {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new Error(name)))
  }
  return controller
}
