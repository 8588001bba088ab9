import { type Evidence, KexecError } from '../errors.ts'
import { System } from '../system/system.ts'
import { detectInit } from './detect.ts'
import { direct } from './direct.ts'
import { requireReadyToExecute } from './execute.ts'
import type { InitSystem } from './init-system.ts'
import { systemd } from './systemd.ts'

/** The ways of handing over; adding one touches its file and this list. */
const initSystems: readonly InitSystem[] = [systemd, direct]

/** What `--via` takes. */
export const ways: readonly string[] = ['auto', ...initSystems.map(({ name }) => name)]

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
  const { initSystem, init } = chooseWay(system, options.via ?? 'auto')
  const handover = { via: initSystem.name, init, steps: initSystem.steps }
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

/** The way a reboot would take by itself, before anything is asked. */
export interface HandoverAssessment {
  readonly init: string
  /** Null when this init system is not served. */
  readonly via: string | null
  /** What keeps it from ending in the new kernel; empty when it is proven. */
  readonly obstacles: readonly string[]
  readonly evidence: readonly Evidence[]
}

/** Tells which way `reboot` would take, without asking for anything to be loaded. */
export function assessHandover(system: System): HandoverAssessment {
  const { name: init, evidence } = detectInit(system)
  const initSystem = initSystems.find(({ name }) => name === (init === 'self' ? 'direct' : init))
  return { init, via: initSystem?.name ?? null, obstacles: initSystem?.obstacles(system) ?? [], evidence }
}

function chooseWay(system: System, via: string): { initSystem: InitSystem; init: string } {
  const init = detectInit(system)
  const wanted = via === 'auto' ? (init.name === 'self' ? 'direct' : init.name) : via
  const initSystem = initSystems.find(({ name }) => name === wanted)
  if (initSystem === undefined) {
    if (!ways.includes(via)) {
      throw new KexecError(`there is no way called '${via}'`, {
        reason: 'invalid-argument',
        hint: `The ways are ${ways.join(', ')}.`,
        refused: true,
      })
    }
    throw unsupported(
      `the init system here is ${init.name === 'unknown' ? 'one that is not known' : init.name}, which cannot be served yet`,
      init.evidence,
    )
  }
  if (initSystem !== direct && init.name !== initSystem.name) {
    throw unsupported(`${initSystem.name} is not the init system here: it is ${init.name}`, init.evidence)
  }
  const obstacles = initSystem.obstacles(system)
  if (obstacles.length > 0)
    throw unsupported(`${initSystem.name} would not end in the new kernel: ${obstacles.join('; ')}`, init.evidence)
  return { initSystem, init: init.name }
}

function unsupported(summary: string, evidence: KexecError['evidence']): KexecError {
  return new KexecError(summary, {
    reason: 'unsupported-init',
    hint: 'Served are systemd and --via direct, which ends all processes, unmounts and starts the kernel by itself, without running stop scripts.',
    evidence,
    refused: true,
  })
}
