import type { CommandLine } from '../../cmdline/parse.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'
import { type BlackBox, isOnLine } from '../../trial/black-box.ts'
import { blackBoxModules } from '../../trial/guards/black-box-modules.ts'
import { readWatchdogTarget } from '../../trial/guards/watchdog-facts.ts'
import type { Context } from '../context/context.ts'
import type { PlanDecision } from '../model/decision.ts'

interface ChosenBlackBox {
  /** What the initrd needs for it. */
  readonly modules: readonly InitrdOverlay[]
  readonly decision: PlanDecision
}

/**
 * Whether the new kernel keeps its last messages, and by what. Nothing comes back by it, so it is not a guard: without one, the
 * console alone shows why a kernel died.
 */
export async function chosenBlackBox(
  { system, kernel }: Pick<Context, 'system' | 'kernel'>,
  box: BlackBox,
  { line, hasDeadman }: { readonly line: CommandLine; readonly hasDeadman: boolean },
): Promise<ChosenBlackBox> {
  if (!box.isKept) return none(`${box.reason}; docs/trials.md#the-black-box shows how to have some`)
  if (!isOnLine(box, line)) return none('its command line has other parameters of ramoops than the running kernel')
  const release = kernel.image.version
  const isBuiltIn = readWatchdogTarget(system, release).kindOf('ramoops') === 'built-in'
  const canLoad = !isBuiltIn && hasDeadman && release !== null
  const modules = canLoad ? await blackBoxModules(system, release, box.moduleParameters) : null
  const how = isBuiltIn
    ? 'it has ramoops built in'
    : modules === null
      ? 'it writes them once its initrd has loaded ramoops'
      : 'the deadman loads ramoops before init'
  return {
    modules: modules ?? [],
    decision: {
      subject: 'trial',
      choice: `if it dies: its last messages are kept in ${box.place}`,
      reason: `the running kernel has its ramoops there, and can read them after the reset; ${how}`,
    },
  }
}

function none(reason: string): ChosenBlackBox {
  return { modules: [], decision: { subject: 'trial', choice: 'if it dies: its last messages are not kept', reason } }
}
