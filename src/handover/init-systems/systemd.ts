import type { System } from '../../system/system.ts'
import { type InitSystem, unremarkable } from '../contract/init-system.ts'
import { type HandoverObstacle, limitation, unable, unreadable } from '../contract/remarks.ts'
import { request } from '../contract/request.ts'
import { servicesRunning } from '../first-process/systemd-services.ts'

/**
 * systemd(1), "SIGRTMIN+6: Reboots the machine via kexec, equivalent to systemctl start kexec.target
 * --job-mode=replace-irreversibly". The signal needs no D-Bus and no systemctl.
 */
const KEXEC_OFFSET = 6

/** Real-time signals begin at a different number in each C library, and PID 1's counts: glibc reserves 2, musl 3. */
const SIGRTMIN = { glibc: 34, musl: 35 }

/** Where distributions keep systemd's units and its shutdown program. */
const LIBRARY = ['/usr/lib/systemd', '/lib/systemd']

/** systemd stops the units, unmounts, and systemd-shutdown then calls reboot(KEXEC) itself; /sbin/kexec is not needed. */
export const systemd: InitSystem = {
  name: 'systemd',
  title: 'systemd',
  detect(system, first) {
    // sd_booted(3): the directory exists exactly when systemd is PID 1.
    if (system.stat('/run/systemd/system')?.isDirectory()) return [{ source: '/run/systemd/system', value: 'present' }]
    return runs(system) || !first.isNamed('systemd') ? undefined : []
  },
  examine: (system) => ({
    ...unremarkable,
    steps: [
      'send SIGRTMIN+6 to PID 1: systemd starts kexec.target',
      'systemd stops all units in order and unmounts the file systems',
      'systemd-shutdown calls reboot(LINUX_REBOOT_CMD_KEXEC)',
    ],
    obstacles: obstacles(system),
    notes: [limitation('When the kernel cannot be started at the end, systemd reboots through the firmware.')],
  }),
  // systemd-shutdown takes the ordinary reboot when the kernel refuses to kexec (systemd's src/shutdown/shutdown.c).
  reachesFirmware: true,
  handOver: (context) =>
    request(context, {
      of: 'systemd',
      ask: () => process.kill(1, kexecSignal(context.system)),
      hint: '`systemctl list-jobs` shows the jobs that it waits for, `journalctl -b -p warning` the failures.',
      remaining: servicesRunning,
    }),
}

function obstacles(system: System): HandoverObstacle[] {
  const missing = (name: string) => !LIBRARY.some((directory) => system.stat(`${directory}/${name}`)?.isFile())
  const found: HandoverObstacle[] = []
  if (missing('system/kexec.target')) found.push(unable('systemd has no kexec.target here'))
  if (missing('systemd-shutdown')) found.push(unable('systemd-shutdown is not installed'))
  if (runs(system) && system.readText('/proc/1/maps') === undefined)
    found.push(unreadable('/proc/1/maps cannot be read, so the number of SIGRTMIN+6 is unknown'))
  return found
}

/** Whether there is a PID 1, rather than only the files of a system that does not run. */
function runs(system: System): boolean {
  return system.exists('/proc/1')
}

/**
 * The number of SIGRTMIN+6 in PID 1's own C library. A wrong number would request something else, such as a firmware
 * reboot.
 */
export function kexecSignal(system: System): number {
  const maps = system.readText('/proc/1/maps') ?? ''
  return (/\/ld-musl-|\/libc\.musl-/.test(maps) ? SIGRTMIN.musl : SIGRTMIN.glibc) + KEXEC_OFFSET
}
