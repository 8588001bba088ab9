import type { KexecError } from '../errors.ts'
import type { HookPart } from '../hooks/hook.ts'
import type { Program } from '../program.ts'
import type { System } from '../system/system.ts'

/** What a service of ours does: 'boot' and 'shutdown' load the kernel of the next reboot, 'crash' loads the crash kernel. */
export type ServiceName = 'boot' | 'shutdown' | 'crash'

export const serviceNames: readonly ServiceName[] = ['boot', 'shutdown', 'crash']

/** Which kind of service manager it is written for. */
export type ServiceKind = 'systemd' | 'openrc' | 'sysvinit'

export const serviceKinds: readonly ServiceKind[] = ['systemd', 'openrc', 'sysvinit']

/** By this a file is told to be ours. */
export const MARK = 'Placed by linux-kexec service'

/** What people read at the top of a file of ours. */
export const marking = `# ${MARK}; \`linux-kexec service remove\` takes it away. Changes made here are lost.`

/** Where administrators set what is loaded; it need not be there, and we never write it. */
export const SETTINGS = '/etc/default/linux-kexec'

/** What the services do, for people and for service managers. */
export const titles: Readonly<Record<ServiceName, string>> = {
  boot: 'Load the kernel of the next reboot, at boot',
  shutdown: 'Load the kernel of the next reboot, at shutdown',
  crash: 'Load the crash kernel',
}

/** The variable of the settings that holds operands and options for load, and what it is when it is not set. */
export const variables: Readonly<Record<ServiceName, readonly [name: string, preset: string]>> = {
  boot: ['LOAD_OPTIONS', ''],
  shutdown: ['LOAD_OPTIONS', ''],
  // The kernel that runs is known to come up here, and its modules are those of the dump.
  crash: ['CRASH_OPTIONS', 'running'],
}

/** The files of one service, as one kind of service manager wants them. */
export interface ServiceFiles {
  readonly files: readonly HookPart[]
  /** Why they may not be placed: the service manager could not start our program. */
  readonly refusal?: KexecError
  /** What makes the service manager start it. */
  readonly enabling: readonly HookPart[]
}

/**
 * Writes a service for one kind of service manager; one file of this folder each. What is on the system already may be named
 * as it is there.
 */
export type DescribeService = (name: ServiceName, program: Program, system?: System) => ServiceFiles
