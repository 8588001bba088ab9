import { KexecError } from '../../errors.ts'
import { System } from '../../system/system.ts'
import type { GuardControl } from '../model/guard-control.ts'
import type { WatchdogGuard } from '../model/trial.ts'
import { fireWatchdog, releaseWatchdog } from './arm-watchdog.ts'
import { findDeadman, fireDeadman, releaseDeadman } from './deadman.ts'

/** The guards of the running machine. `panic=` needs no release: it only counts when the kernel panics. */
export const liveGuards: GuardControl = guardsOf(new System())

export function guardsOf(system: System): GuardControl {
  return {
    release: ({ watchdog, deadman }) => {
      if (watchdog !== null) stopOrHandOver(system, watchdog)
      // The last: it guards while the other may fail.
      const running = deadman ? findDeadman(system) : null
      if (running !== null) releaseDeadman(running.pid)
    },
    fire: ({ watchdog, deadman }) => {
      const running = deadman ? findDeadman(system) : null
      if (running === null) return watchdog !== null && fireWatchdog(system, watchdog)
      fireDeadman(running.pid)
      return true
    },
  }
}

function stopOrHandOver(system: System, guard: WatchdogGuard): void {
  const release = releaseWatchdog(system, guard)
  if (release.outcome === 'driver-missing') {
    const module = release.module ?? 'its driver'
    throw new KexecError(`the watchdog cannot be stopped: ${module} is not loaded`, {
      reason: 'not-found',
      path: `/dev/${guard.name}`,
      hint: release.module === null ? 'Load its driver.' : `modprobe ${release.module} && linux-kexec trial confirm`,
    })
  }
  if (release.outcome === 'runs-on') {
    throw new KexecError('the watchdog cannot be stopped, and resets the machine unless a program feeds it', {
      reason: 'kernel-refused',
      path: `/dev/${release.name}`,
      hint: 'Let systemd feed it: RuntimeWatchdogSec=30 in /etc/systemd/system.conf, then: systemctl daemon-reexec',
    })
  }
}
