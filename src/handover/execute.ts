import { status } from '../engine/status.ts'
import { errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'
import { readPrivileges, requireCapability, requireInitialPidNamespace } from '../policy/privileges.ts'
import { System } from '../system/system.ts'
import { closeMounts } from './mounts.ts'

const live = new System()

/**
 * Refuses when reboot(KEXEC) could not start a kernel.
 * @throws KexecError 'nothing-loaded', 'no-capability', 'not-init-user-namespace', 'not-init-pid-namespace'
 */
export function requireReadyToExecute(): void {
  const privileges = readPrivileges(live)
  requireInitialPidNamespace(privileges)
  requireCapability(privileges, 'starting the loaded kernel')
  if (status(live).loaded) return
  throw new KexecError('no kernel is loaded', {
    reason: 'nothing-loaded',
    hint: 'Load one first: linux-kexec load newest',
    evidence: [
      { source: '/sys/kernel/kexec_loaded', value: live.readText('/sys/kernel/kexec_loaded')?.trim() ?? 'absent' },
    ],
    refused: true,
  })
}

export interface ExecuteOptions {
  readonly sync?: boolean
  readonly unmount?: boolean
  readonly report?: (failure: string) => void
}

/**
 * Starts the loaded kernel this instant: no service is stopped, nothing is unmounted. `reboot()` is what one usually wants.
 * Does not return when it succeeds.
 * @param options.sync write cached data to disk first (default true)
 * @param options.unmount unmount what is still mounted first, and remount read-only what is in use (default false)
 * @param options.report called with one sentence for each file system that could not be made clean
 * @throws KexecError as `requireReadyToExecute`, or 'handover-failed' when the kernel returned
 */
export function execute(options: ExecuteOptions = {}): never {
  requireReadyToExecute()
  if (options.sync ?? true) native().sync()
  if (options.unmount) {
    process.chdir('/')
    for (const failure of closeMounts(live)) options.report?.(failure)
  }
  const errno = native().rebootKexec()
  throw new KexecError(`the kernel did not start the loaded image (${errnoName(errno)})`, {
    reason: 'handover-failed',
    errno,
    syscall: 'reboot',
    hint: 'The kernel log may tell why (dmesg). This kernel runs on.',
  })
}
