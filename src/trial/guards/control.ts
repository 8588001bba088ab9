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
      if (running !== null) endDeadman(system, running.pid)
    },
    fire: ({ watchdog, deadman }) => {
      const running = deadman ? findDeadman(system) : null
      if (running === null) return watchdog !== null && fireWatchdog(system, watchdog)
      fireDeadman(running.pid)
      return true
    },
  }
}

/** More than the deadman needs to end, in milliseconds. */
const ENDING = 3000

/** @throws KexecError when it does not end: once its deadline has come, it takes no signal any more */
function endDeadman(system: System, pid: number): void {
  releaseDeadman(pid)
  const begin = performance.now()
  while (findDeadman(system)?.pid === pid) {
    if (performance.now() - begin > ENDING)
      throw new KexecError('the program in the initrd does not end: it is about to reset the machine', {
        reason: 'trial-state',
        path: `/proc/${pid}`,
        hint: 'linux-kexec trial status, after the reset',
      })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
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
