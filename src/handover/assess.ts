import type { Evidence } from '../errors.ts'
import type { Hook } from '../hooks/hook.ts'
import { failingScripts } from '../hooks/hook-check.ts'
import { examineHook, type HookStanding } from '../hooks/hook-plan.ts'
import { OPT_OUTS } from '../hooks/hook-script.ts'
import { filesOfProgram, locateProgram, type Program } from '../program.ts'
import { exposureWarnings } from '../system/exposure.ts'
import type { System } from '../system/system.ts'
import type { InitSystem } from './contract/init-system.ts'
import type { HandoverNote, HandoverObstacle } from './contract/remarks.ts'
import { detectInit } from './detect.ts'
import { unreachableAtTheEnd } from './precautions/reachable.ts'

/** How a machine would reboot, and whether it ends in the loaded kernel. Plain data. */
export interface HandoverAssessment {
  /** The running init system: the name of a supported one, else its own name, or 'unknown'. */
  readonly init: string
  /** Its name for people. */
  readonly title: string
  /** The way that `reboot` chooses by itself; null when this init system is not supported. */
  readonly via: string | null
  /** Whether no obstacle keeps it from ending in the new kernel. */
  readonly proven: boolean
  readonly steps: readonly string[]
  /** The obstacles to ending in the new kernel; empty when it is verified. */
  readonly obstacles: readonly HandoverObstacle[]
  /** Null when this way needs no hook. */
  readonly hook: HookStanding | null
  /** Other things to install or set up beside the hook, one clause each. */
  readonly install: readonly string[]
  readonly notes: readonly HandoverNote[]
  /** The remedy; null when it is verified. */
  readonly remedy: string | null
  readonly evidence: readonly Evidence[]
}

const DIRECT = 'linux-kexec reboot --via direct'
const INSTALL = 'linux-kexec handover --install'

const NOT_INSTALLED: HandoverObstacle = {
  code: 'program-absent',
  text: 'linux-kexec or Node is not installed where the hook could call it',
}

/** Stands in where no program was found, so that the rest can still be reported. */
const NO_PROGRAM: Program = { node: '/usr/bin/node', command: '/usr/bin/linux-kexec' }

/**
 * Reports which way `reboot` would take and whether it is verified; no kernel need be loaded. Changes nothing. An
 * existing hook is run once, to print its version.
 * @param system the running machine, or a directory with a root file system
 */
export function assessHandover(system: System): HandoverAssessment {
  const { name: init, title, initSystem, evidence } = detectInit(system)
  if (initSystem !== undefined) {
    const way = assessWay(system, initSystem)
    return { init, title, via: initSystem.name, ...way, evidence: [...evidence, ...way.evidence] }
  }
  const text = init === 'unknown' ? 'the init system is unknown' : `${title} is not supported`
  const nothing = { steps: [], hook: null, install: [], notes: [] }
  return {
    init,
    title,
    via: null,
    proven: false,
    ...nothing,
    obstacles: [{ code: 'init-not-supported', text }],
    remedy: DIRECT,
    evidence,
  }
}

/** Whether one way, even of another init system, would end in the new kernel. */
export function assessWay(system: System, initSystem: InitSystem): Omit<HandoverAssessment, 'init' | 'title' | 'via'> {
  const program = locateProgram(system)
  const { hook: wanted, obstacles: own, notes, ...rest } = initSystem.examine(system, program ?? NO_PROGRAM)
  const hook = wanted === null ? null : examineHook(system, wanted)
  const obstacles = [...own]
  if (hook !== null) {
    obstacles.push(...stateObstacles(hook))
    if (program === undefined) obstacles.push(NOT_INSTALLED)
    else obstacles.push(...unreachableAtTheEnd(system, program))
    if (wanted !== null && hook.state === 'installed')
      obstacles.push(
        ...failingScripts(system, wanted).map((text): HandoverObstacle => ({ code: 'hook-failing', text })),
      )
  }
  const proven = obstacles.length === 0
  const onlyHook = hook !== null && hook.toInstall.length > 0 && obstacles.length === 1
  const remedy = proven ? null : onlyHook ? INSTALL : (rest.install[0] ?? otherRemedy(hook, own))
  return {
    ...rest,
    hook,
    obstacles,
    proven,
    remedy,
    notes: [...notes, ...(hook === null ? [] : [...optOuts(system), ...exposures(system, program, wanted)])],
  }
}

/** Root calls Node and linux-kexec as its last step, so anyone who may replace these or the hook runs as root then. */
function exposures(system: System, program: Program | undefined, hook: Hook | null): HandoverNote[] {
  const parts = (hook?.parts ?? []).map(({ path }) => path)
  const warnings = exposureWarnings(system, [...parts, ...(program === undefined ? [] : filesOfProgram(program))])
  return warnings.map((warning) => ({ code: 'exposed-files', text: `${warning}.` }))
}

function stateObstacles({ state, foreign }: HookStanding): HandoverObstacle[] {
  if (state === 'absent')
    return [{ code: 'hook-absent', text: 'the hook that starts the loaded kernel is not installed' }]
  if (state === 'outdated')
    return [{ code: 'hook-outdated', text: 'the hook that starts the loaded kernel is not the one of this version' }]
  return foreign.map((path) => ({
    code: 'hook-foreign',
    text: `${path} does not belong to linux-kexec, and is in the place of the hook`,
  }))
}

function otherRemedy(hook: HookStanding | null, own: readonly HandoverObstacle[]): string {
  const [path] = hook?.foreign ?? []
  if (path !== undefined && own.length === 0) return `move ${path} away, then: ${INSTALL}`
  return DIRECT
}

function optOuts(system: System): HandoverNote[] {
  return OPT_OUTS.filter((path) => system.exists(path)).map((path) => ({
    code: 'opt-out',
    text: `${path} exists: a plain reboot goes through the firmware; \`linux-kexec reboot\` starts the loaded kernel.`,
  }))
}
