import { readBootMenu } from '../../entries/discover.ts'
import type { BootMenu } from '../../entries/model/boot-menu.ts'
import { type Evidence, KexecError } from '../../errors.ts'
import type { LoadPlan } from '../../plan/load-plan.ts'
import { plan } from '../../plan/plan.ts'
import { detectPolicy } from '../../policy/detect.ts'
import type { KexecPolicy } from '../../policy/policy.ts'
import { type Privileges, readPrivileges } from '../../policy/process/privileges.ts'
import { type KernelConfiguration, readConfiguration } from '../../policy/survey/configuration.ts'
import { Survey } from '../../policy/survey/survey.ts'
import { type LoadStatus, status } from '../../system/kexec-state.ts'
import type { System } from '../../system/system.ts'

/** Facts that several subjects need, read once. */
export interface Examination {
  readonly system: System
  /** A running machine, rather than the files of one. */
  readonly isMachine: boolean
  readonly policy: KexecPolicy
  readonly configuration: KernelConfiguration
  readonly privileges: Privileges
  readonly menu: BootMenu
  /** The plan of a bare `load`; the error where there is nothing to plan for. */
  readonly plan: LoadPlan | KexecError
  readonly held: LoadStatus
}

/** Reads the machine; changes nothing, and uses up no load. The plan is open, so close its files. */
export async function readMachine(system: System, signal: AbortSignal | undefined): Promise<Examination> {
  const policy = detectPolicy({ system })
  return {
    system,
    isMachine: system.isLive || system.exists('/proc/sys/kernel'),
    policy,
    configuration: readConfiguration(new Survey(system), policy.kernel.release),
    privileges: readPrivileges(system),
    menu: await readBootMenu({ system }),
    plan: await planOrError(system, signal),
    held: status(system),
  }
}

async function planOrError(system: System, signal: AbortSignal | undefined): Promise<LoadPlan | KexecError> {
  try {
    return await plan(signal === undefined ? {} : { signal }, system)
  } catch (error) {
    if (error instanceof KexecError && error.reason !== 'aborted') return error
    throw error
  }
}

/** The plan, if any. */
export function planOf({ plan }: Examination): LoadPlan | undefined {
  return plan instanceof KexecError ? undefined : plan
}

/** A text file as evidence, on one line; nothing where it does not exist. */
export function readEvidence(system: System, ...paths: readonly string[]): Evidence[] {
  return paths.flatMap((source) => {
    const value = system.readText(source)?.trim()
    return value === undefined ? [] : [{ source, value }]
  })
}
