import { errnoName, KexecError } from '../../errors.ts'
import { native } from '../../native.ts'
import { readPrivileges, requireCapability, requireInitialPidNamespace } from '../../policy/process/privileges.ts'
import { isHeld } from '../../state/held.ts'
import { status } from '../../system/kexec-state.ts'
import { System } from '../../system/system.ts'
import { noteAbandoned, noteLeft } from '../../trial/last/note.ts'
import { abandonTrial, startTrial } from '../precautions/trial.ts'
import { requireRebootCall } from './may-reboot.ts'
import { closeMounts, writeBack } from './mounts.ts'

const live = new System()

/**
 * Refuses when reboot(KEXEC) could not start a kernel.
 * @returns false when neither /sys nor the kernel's memory shows whether one is loaded
 * @throws KexecError 'nothing-loaded', 'no-capability', 'not-init-user-namespace', 'not-init-pid-namespace'
 */
export function requireReadyToExecute(): boolean {
  const privileges = readPrivileges(live)
  requireInitialPidNamespace(privileges)
  requireCapability(privileges, 'starting the loaded kernel')
  const isLoaded = isHeld(live, 'kernel', status(live))
  if (isLoaded) return true
  if (isLoaded === null) return false
  throw nothingLoaded(live.readText('/sys/kernel/kexec_loaded')?.trim() ?? 'absent')
}

/** The checks that must refuse before work is ended, where the kernel does not show whether anything is loaded. */
export function loadedUnknown(): KexecError {
  return new KexecError('whether a kernel is loaded is unknown', {
    reason: 'not-readable',
    path: '/sys/kernel/kexec_loaded',
    hint: 'mount -t sysfs sysfs /sys',
    refused: true,
  })
}

function nothingLoaded(value: string, errno?: number): KexecError {
  return new KexecError('no kernel is loaded', {
    reason: 'nothing-loaded',
    hint: 'Load one first: linux-kexec load newest',
    evidence: [{ source: errno === undefined ? '/sys/kernel/kexec_loaded' : 'reboot(LINUX_REBOOT_CMD_KEXEC)', value }],
    refused: true,
  })
}

export interface ExecuteOptions {
  readonly sync?: boolean
  readonly unmount?: boolean
  readonly report?: (failure: string) => void
}

/**
 * Starts the loaded kernel immediately: no service is stopped, nothing is unmounted. `reboot()` is the usual call. Does
 * not return when it succeeds.
 * @param options.sync write cached data to disk first (default true); gives up when nothing is written for 30 s
 * @param options.unmount first unmount all mounted file systems, and remount busy ones read-only (default false); 10 s
 *   each
 * @param options.report called with one sentence for each file system that could not be made clean
 * @throws KexecError as `requireReadyToExecute`; 'not-permitted', 'not-readable', or 'handover-failed' when the call
 *   returned
 */
export function execute(options: ExecuteOptions = {}): never {
  const isKnown = requireReadyToExecute()
  requireRebootCall()
  if (!isKnown && options.unmount) throw loadedUnknown()
  const trial = startTrial(live)
  if (trial !== undefined) options.report?.(trial)
  noteLeft()
  const report = (failure: string | undefined) => failure !== undefined && options.report?.(failure)
  if (options.sync ?? true) report(writeBack(live))
  if (options.unmount) {
    process.chdir('/')
    closeMounts(live).forEach(report)
  }
  const errno = native().rebootKexec()
  noteAbandoned()
  abandonTrial(live, `the kernel did not start it (${errnoName(errno)})`)
  // With nothing loaded the kernel does nothing (kernel_kexec, kernel/kexec_core.c).
  if (!isKnown && errnoName(errno) === 'EINVAL') throw nothingLoaded('EINVAL', errno)
  throw new KexecError(`the kernel did not start the loaded image (${errnoName(errno)})`, {
    reason: 'handover-failed',
    errno,
    syscall: 'reboot',
    hint: 'The kernel log may show why (dmesg). This kernel continues to run.',
  })
}
