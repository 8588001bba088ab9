import { KexecError } from '../errors.ts'
import { applyChanges } from '../hooks/apply-changes.ts'
import { examineHook, type HookChange } from '../hooks/hook-plan.ts'
import { locateProgram } from '../program.ts'
import { System } from '../system/system.ts'
import { assessHandover } from './assess.ts'
import { initSystems } from './init-systems/served.ts'

export interface HookRequest {
  /** The running machine by default, or a directory with a root file system. */
  readonly system?: System
  /** Report the changes without making them. */
  readonly dryRun?: boolean
}

/**
 * Places the hook that the init system needs. An existing hook is left alone, so this may be called again.
 * @returns the changes, in the order they are made; empty where no hook is needed or it is in place
 * @throws KexecError 'unsupported-init' when the init system is not supported, or a foreign file is in the way; 'io'
 * when a file cannot be written
 */
export function installHandover({ system = new System(), dryRun = false }: HookRequest = {}): readonly HookChange[] {
  const { init, via, hook, obstacles, evidence } = assessHandover(system)
  if (via === null)
    throw refusal(obstacles.map(({ text }) => text).join('; '), 'linux-kexec reboot --via direct', evidence)
  if (hook === null) return []
  const [foreign] = hook.foreign
  if (foreign !== undefined)
    throw refusal(
      `${foreign} does not belong to linux-kexec, and is left unchanged`,
      'Move it away, then try again.',
      evidence,
    )
  if (locateProgram(system) === undefined) {
    const where = system.isLive ? 'on this machine' : `in ${system.root}`
    throw refusal(
      `the hook for ${init} calls Node and linux-kexec, which are not installed ${where}`,
      'Install linux-kexec there.',
      [],
    )
  }
  return applyChanges(system, hook.toInstall, dryRun)
}

/**
 * Removes everything that `installHandover` has placed, for any init system. Edited files are as they were before.
 * @returns the changes, in the order they are made; empty where nothing is installed
 * @throws KexecError 'io' when a file cannot be written or removed
 */
export function removeHandover({ system = new System(), dryRun = false }: HookRequest = {}): readonly HookChange[] {
  const program = locateProgram(system) ?? { node: '', command: '' }
  const changes = new Map<string, HookChange>()
  for (const initSystem of initSystems) {
    const { hook } = initSystem.examine(system, program)
    if (hook === null) continue
    for (const change of examineHook(system, hook).toRemove) {
      // A script that several share goes last, after all its callers.
      changes.delete(change.path)
      changes.set(change.path, change)
    }
  }
  return applyChanges(system, [...changes.values()], dryRun)
}

function refusal(summary: string, hint: string, evidence: KexecError['evidence']): KexecError {
  return new KexecError(summary, { reason: 'unsupported-init', hint, evidence, refused: true })
}
