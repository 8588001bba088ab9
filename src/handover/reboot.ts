import { KexecError } from '../errors.ts'
import { System } from '../system/system.ts'
import { assessWay } from './assess.ts'
import { detectInit } from './detect.ts'
import { requireReadyToExecute } from './execute.ts'
import type { InitSystem } from './init-system.ts'
import { direct } from './init-systems/direct.ts'
import { initSystems, ways } from './init-systems/index.ts'

const DEADLINE = 90_000

export interface RebootOptions {
  /** 'auto' takes the init system that runs; 'direct' does its work without it. */
  readonly via?: string
  /** Say what would happen, and do nothing. */
  readonly dryRun?: boolean
  /** Heeded until the first step: what was begun is not taken back. */
  readonly signal?: AbortSignal
  /** How long to wait for processes to end (direct) or for the init system to begin (others), milliseconds; default 90,000. */
  readonly deadline?: number
  /** Called with one sentence per step. */
  readonly report?: (step: string) => void
}

/** The way a reboot takes, and what tells so. */
export interface Handover {
  readonly via: string
  readonly init: string
  readonly steps: readonly string[]
}

/**
 * Stops the services, unmounts, and starts the loaded kernel; never a firmware reboot.
 * @returns the way it takes: at once with `dryRun`; else only where the init system ends this process later
 * @throws KexecError 'nothing-loaded', 'no-capability', 'not-init-pid-namespace', 'unsupported-init', 'handover-failed', 'aborted'
 */
export async function reboot(options: RebootOptions = {}): Promise<Handover> {
  const system = new System()
  requireReadyToExecute()
  const { initSystem, ...handover } = chooseWay(system, options.via ?? 'auto')
  if (options.dryRun) return handover
  if (options.signal?.aborted) {
    throw new KexecError('interrupted before anything was stopped', { reason: 'aborted', cause: options.signal.reason })
  }
  await initSystem.handOver({
    system,
    report: options.report ?? (() => {}),
    deadline: options.deadline ?? DEADLINE,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  return handover
}

/** The way that a call names or the machine takes. @throws KexecError when it would not end in the new kernel */
function chooseWay(system: System, via: string): Handover & { initSystem: InitSystem } {
  const init = detectInit(system)
  const initSystem = via === 'auto' ? init.initSystem : initSystems.find(({ name }) => name === via)
  if (initSystem === undefined) {
    if (!ways.includes(via)) {
      throw new KexecError(`there is no way called '${via}'`, {
        reason: 'invalid-argument',
        hint: `The ways are ${ways.join(', ')}.`,
        refused: true,
      })
    }
    const what = init.name === 'unknown' ? 'one that is not known' : `${init.title}, which is not served`
    throw unsupported(`the init system here is ${what}`, WITHOUT, init.evidence)
  }
  if (initSystem !== direct && init.initSystem !== initSystem)
    throw unsupported(`${initSystem.title} is not the init system here: it is ${init.title}`, WITHOUT, init.evidence)
  const { proven, obstacles, remedy, steps, evidence } = assessWay(system, initSystem)
  if (proven) return { initSystem, via: initSystem.name, init: init.name, steps }
  const summary = `${initSystem.title} would not end in the new kernel: ${obstacles.join('; ')}`
  throw unsupported(summary, remedy ?? WITHOUT, [...init.evidence, ...evidence])
}

const WITHOUT =
  'linux-kexec reboot --via direct ends all processes, unmounts and starts the kernel by itself, without running stop scripts.'

function unsupported(summary: string, hint: string, evidence: KexecError['evidence']): KexecError {
  return new KexecError(summary, { reason: 'unsupported-init', hint, evidence, refused: true })
}
