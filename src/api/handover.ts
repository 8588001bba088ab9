import { assessHandover as assessHandoverOf, type HandoverAssessment } from '../handover/assess.ts'
import { ways } from '../handover/init-systems/served.ts'
import { installHandover as installHandoverOn, removeHandover as removeHandoverFrom } from '../handover/install.ts'
import { type ExecuteOptions, execute as executeLoaded } from '../handover/jump/execute.ts'
import {
  cancelReboot as cancelScheduled,
  type RebootHandover,
  type RebootOptions,
  reboot as rebootMachine,
} from '../handover/reboot.ts'
import type { ScheduledReboot } from '../handover/schedule/schedule.ts'
import type { HookChange } from '../hooks/hook-plan.ts'
import {
  abortSignal,
  callback,
  checkOptions,
  date,
  flag,
  milliseconds,
  type OptionKinds,
  oneOf,
  text,
} from '../options.ts'
import { type MachineOption, machineOf, machineOption, onMachine } from './machine.ts'

const rebootKinds: OptionKinds<RebootOptions> = {
  via: oneOf(...ways),
  dryRun: flag,
  signal: abortSignal,
  deadline: milliseconds,
  report: callback,
  staleOk: flag,
  ignoreInhibitors: flag,
  message: text,
  at: date,
  delay: milliseconds,
  allowFirmwareReboot: flag,
}

/**
 * Stops the services, unmounts, and starts the loaded kernel. Never reboots through the firmware, unless allowed to.
 * @returns the way it takes: at once with `dryRun`; else only where the init system ends this process later
 * @throws KexecError 'nothing-loaded', 'image-stale', 'image-replaced', 'inhibited', 'no-capability',
 *   'not-init-user-namespace', 'not-init-pid-namespace', 'unsupported-init', 'handover-failed', 'not-permitted',
 *   'not-readable', 'busy', 'aborted', 'invalid-argument'
 */
export async function reboot(options?: RebootOptions): Promise<RebootHandover> {
  return rebootMachine(checkOptions('reboot()', options, rebootKinds))
}

/**
 * Calls off a scheduled reboot.
 * @returns the reboot that was called off; undefined when there was none
 * @throws KexecError 'no-capability', 'io', 'busy' when it has begun
 */
export function cancelReboot(): ScheduledReboot | undefined {
  return cancelScheduled()
}

const executeKinds: OptionKinds<ExecuteOptions> = { sync: flag, unmount: flag, report: callback }

/**
 * Starts the loaded kernel immediately: no service is stopped, nothing is unmounted. `reboot()` is the usual call. Does not
 * return when it succeeds.
 * @throws KexecError 'nothing-loaded', 'no-capability', 'not-init-user-namespace', 'not-init-pid-namespace',
 *   'not-permitted', 'not-readable', 'invalid-argument', or 'handover-failed' when the call returned
 */
export function execute(options?: ExecuteOptions): never {
  return executeLoaded(checkOptions('execute()', options, executeKinds))
}

/**
 * Reports which way `reboot` would take and whether it is verified; no kernel need be loaded. Changes nothing. An existing
 * hook is run once, to print its version.
 * @throws KexecError 'not-found' when the root is not a directory; 'invalid-argument'
 */
export function assessHandover(options?: MachineOption): HandoverAssessment {
  return assessHandoverOf(machineOf('assessHandover()', options))
}

export interface HookOptions extends MachineOption {
  /** Report the changes without making them. */
  readonly dryRun?: boolean
}

const hookKinds: OptionKinds<HookOptions> = { ...machineOption, dryRun: flag }

/**
 * Places the hook that the init system needs. An existing hook is left alone, so this may be called again.
 * @returns the changes, in the order they are made; empty where no hook is needed or it is in place
 * @throws KexecError 'unsupported-init' when the init system is not supported, or a foreign file is in the way; 'io' when a
 *   file cannot be written; 'not-found'; 'invalid-argument'
 */
export function installHandover(options?: HookOptions): readonly HookChange[] {
  return installHandoverOn(onMachine('installHandover()', options, hookKinds))
}

/**
 * Removes everything that `installHandover` has placed, for any init system. Edited files are as they were before.
 * @returns the changes, in the order they are made; empty where nothing is installed
 * @throws KexecError 'io' when a file cannot be written or removed; 'not-found'; 'invalid-argument'
 */
export function removeHandover(options?: HookOptions): readonly HookChange[] {
  return removeHandoverFrom(onMachine('removeHandover()', options, hookKinds))
}
