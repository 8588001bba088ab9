import type { KexecError } from '../errors.ts'
import type { HookPart } from '../hooks/hook.ts'
import type { Program } from '../program.ts'
import type { System } from '../system/system.ts'

/**
 * The task of a service: 'boot' and 'shutdown' load the kernel of the next reboot, 'crash' loads the crash kernel, 'trial'
 * confirms the trial of the running kernel once the machine is up.
 */
export type ServiceName = 'boot' | 'shutdown' | 'crash' | 'trial'

export const serviceNames: readonly ServiceName[] = ['boot', 'shutdown', 'crash', 'trial']

/** The kind of service manager it is written for. */
export type ServiceKind = 'systemd' | 'openrc' | 'sysvinit' | 'runit' | 'busybox'

export const serviceKinds: readonly ServiceKind[] = ['systemd', 'openrc', 'sysvinit', 'runit', 'busybox']

/** The mark of a file of ours. */
export const MARK = 'Placed by linux-kexec service'

/** The text for people at the top of a file of ours. */
export const marking = `# ${MARK}; \`linux-kexec service remove\` removes it. Changes in this file will be lost.`

/** Where administrators set the kernel to load; it is optional, and we never write it. */
export const SETTINGS = '/etc/default/linux-kexec'

/** The services' tasks, for people and for service managers. */
export const titles: Readonly<Record<ServiceName, string>> = {
  boot: 'Load the kernel of the next reboot, at boot',
  shutdown: 'Load the kernel of the next reboot, at shutdown',
  crash: 'Load the crash kernel',
  trial: 'Confirm the trial of the running kernel',
}

/** The variable of the settings that holds operands and options for the command, and its default. */
export const variables: Readonly<Record<ServiceName, readonly [name: string, preset: string]>> = {
  boot: ['LOAD_OPTIONS', ''],
  shutdown: ['LOAD_OPTIONS', ''],
  // The running kernel is known to boot here, and its modules are installed.
  crash: ['CRASH_OPTIONS', 'running'],
  trial: ['TRIAL_OPTIONS', ''],
}

/** The files of one service, in the form of one kind of service manager. */
export interface ServiceFiles {
  readonly files: readonly HookPart[]
  /** Why they may not be placed: the service manager could not start our program. */
  readonly refusal?: KexecError
  /** Why it cannot be enabled; without files, there is no such service. */
  readonly unavailable?: KexecError
  /** The part that makes the service manager start it. */
  readonly enabling: readonly HookPart[]
}

/**
 * Writes a service for one kind of service manager; one file of this directory each. Files that exist on the system may
 * be named as they are.
 */
export type DescribeService = (name: ServiceName, program: Program, system?: System) => ServiceFiles
