import { once } from 'node:events'
import { KexecError } from '../errors.ts'
import type { System } from '../system/system.ts'
import type { HandoverContext, InitSystem } from './init-system.ts'

/**
 * systemd(1), "SIGRTMIN+6: Reboots the machine via kexec, equivalent to systemctl start kexec.target
 * --job-mode=replace-irreversibly". The signal needs no D-Bus and no systemctl.
 */
const KEXEC_OFFSET = 6

/** Real-time signals begin at another number in each C library, and it is PID 1's that counts: glibc keeps 2 back, musl 3. */
const SIGRTMIN = { glibc: 34, musl: 35 }

/** Where distributions keep systemd's units and its shutdown program. */
const LIBRARY = ['/usr/lib/systemd', '/lib/systemd']

/** systemd stops the units, unmounts, and systemd-shutdown then calls reboot(KEXEC) itself; /sbin/kexec is not needed. */
export const systemd: InitSystem = {
  name: 'systemd',
  steps: [
    'send SIGRTMIN+6 to PID 1: systemd starts kexec.target',
    'systemd stops all units in order and unmounts the file systems',
    'systemd-shutdown calls reboot(LINUX_REBOOT_CMD_KEXEC)',
  ],
  obstacles(system) {
    const missing = (name: string) => !LIBRARY.some((folder) => system.stat(`${folder}/${name}`)?.isFile())
    const obstacles: string[] = []
    if (missing('system/kexec.target')) obstacles.push('systemd has no kexec.target here')
    if (missing('systemd-shutdown')) obstacles.push('systemd-shutdown is not installed')
    if (system.readText('/proc/1/maps') === undefined)
      obstacles.push('/proc/1/maps cannot be read, and it tells which number SIGRTMIN+6 has')
    return obstacles
  },
  async handOver({ system, report, signal, deadline }: HandoverContext) {
    const stopping = AbortSignal.timeout(deadline)
    const ended = Promise.race([
      once(process, 'SIGTERM', { signal: stopping }),
      once(process, 'SIGHUP', { signal: stopping }),
    ])
    signal?.throwIfAborted()
    process.kill(1, kexecSignal(system))
    report('systemd was asked to stop all services and start the loaded kernel')
    try {
      await ended
    } catch (cause) {
      throw new KexecError(`systemd did not begin to stop this process within ${deadline / 1000} s`, {
        reason: 'handover-failed',
        hint: '`systemctl list-jobs` shows what it waits for; `journalctl -b -p warning` what went wrong.',
        cause,
      })
    }
    report('systemd is stopping this process: the services are going down')
  },
}

/** The number of SIGRTMIN+6 in PID 1's own C library. A wrong number asks systemd for something else, such as a firmware reboot. */
export function kexecSignal(system: System): number {
  const maps = system.readText('/proc/1/maps') ?? ''
  return (/\/ld-musl-|\/libc\.musl-/.test(maps) ? SIGRTMIN.musl : SIGRTMIN.glibc) + KEXEC_OFFSET
}
