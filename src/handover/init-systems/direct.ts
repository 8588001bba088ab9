import { native } from '../../native.ts'
import { execute } from '../execute.ts'
import { type InitSystem, unremarkable } from '../init-system.ts'
import { closeMounts } from '../mounts.ts'
import { signalAll, waitForEnd } from '../processes.ts'

/** How long a killed process may take to be gone, milliseconds; one that hangs in the kernel never is. */
const KILL_DEADLINE = 2000

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
    report('sending SIGTERM to every process')
    signalAll('SIGTERM')
    // A stopped process sees the signal only when it goes on.
    signalAll('SIGCONT')
    const stubborn = await waitForEnd(deadline)
    if (stubborn.length > 0) {
      report(`still running after ${deadline / 1000} s, sending SIGKILL: ${stubborn.join(', ')}`)
      signalAll('SIGKILL')
      const stuck = await waitForEnd(KILL_DEADLINE)
      if (stuck.length > 0) report(`cannot be ended: ${stuck.join(', ')}`)
    }
    report('writing everything to disk and unmounting')
    native().sync()
    process.chdir('/')
    for (const failure of closeMounts(system)) report(failure)
    report('starting the loaded kernel')
    execute({ sync: true })
  },
}

/** From here on this process must survive the end of its terminal, its parent and its readers. */
function outlive(): void {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE'] as const) process.on(name, () => {})
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  // The addon must be in memory before the file systems go.
  native()
}
