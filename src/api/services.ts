import type { HookChange } from '../hooks/hook-plan.ts'
import { flag, listOf, type OptionKinds, oneOf } from '../options.ts'
import {
  installServices as installServicesOn,
  removeServices as removeServicesFrom,
  type ServiceStanding,
  showServices as showServicesOf,
} from '../services/install.ts'
import { type ServiceKind, type ServiceName, serviceKinds, serviceNames } from '../services/service.ts'
import { type MachineOption, machineOption, onMachine } from './machine.ts'

export interface ShowServicesOptions extends MachineOption {
  /** Default: that of the running init system, or of the one installed in a directory. */
  readonly kind?: ServiceKind
}

export interface ServiceOptions extends ShowServicesOptions {
  /** Report the changes without making them. */
  readonly dryRun?: boolean
}

export interface InstallServiceOptions extends ServiceOptions {
  /** The services to start at boot, or stop at shutdown; enabled ones stay enabled. Default: none. */
  readonly enable?: readonly ServiceName[]
}

const showKinds: OptionKinds<ShowServicesOptions> = { ...machineOption, kind: oneOf(...serviceKinds) }
const removeKinds: OptionKinds<ServiceOptions> = { ...showKinds, dryRun: flag }
const installKinds: OptionKinds<InstallServiceOptions> = { ...removeKinds, enable: listOf(oneOf(...serviceNames)) }

/**
 * Places our services: three, enabled only on request. Existing ones are left alone.
 * @returns the changes, in the order they are made
 * @throws KexecError 'unsupported-init' where the kind is unknown or a foreign file is in the way; 'io'; 'not-found';
 *   'invalid-argument'
 */
export function installServices(options?: InstallServiceOptions): readonly HookChange[] {
  return installServicesOn(onMachine('installServices()', options, installKinds))
}

/**
 * Removes our services, of every kind, enabled or not.
 * @returns the changes, in the order they are made; empty where nothing is installed
 * @throws KexecError 'io', 'not-found', 'invalid-argument'
 */
export function removeServices(options?: ServiceOptions): readonly HookChange[] {
  return removeServicesFrom(onMachine('removeServices()', options, removeKinds))
}

/**
 * The state of our services. Reads only.
 * @throws KexecError 'unsupported-init' where the kind is unknown; 'not-found'; 'invalid-argument'
 */
export function showServices(options?: ShowServicesOptions): {
  readonly kind: ServiceKind
  readonly services: readonly ServiceStanding[]
} {
  return showServicesOf(onMachine('showServices()', options, showKinds))
}
