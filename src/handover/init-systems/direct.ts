import { native } from '../../native.ts'
import { execute } from '../execute.ts'
import { type InitSystem, unremarkable } from '../init-system.ts'
import { closeMounts } from '../mounts.ts'
import { endProcesses, outlive } from '../processes.ts'

/** Without the help of an init system: for initramfs environments, PID 1 programs of one's own, and rescue. */
export const direct: InitSystem = {
  name: 'direct',
  title: 'direct',
  detect: (system) => (system.isLive && process.pid === 1 ? [{ source: 'process.pid', value: '1' }] : undefined),
  examine: () => ({
    ...unremarkable,
    steps: [
      'send SIGTERM to every process and wait until they have ended',
      'send SIGKILL to those that have not',
      'write everything to disk (sync)',
      'unmount every file system, or remount it read-only where it is in use',
      'call reboot(LINUX_REBOOT_CMD_KEXEC)',
    ],
  }),
  async handOver({ system, report, signal, deadline }) {
    signal?.throwIfAborted()
    outlive()
    await endProcesses({ deadline, report })
    report('writing everything to disk and unmounting')
    native().sync()
    process.chdir('/')
    for (const failure of closeMounts(system)) report(failure)
    report('starting the loaded kernel')
    execute({ sync: true })
  },
}
