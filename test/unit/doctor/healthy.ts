import type { Diagnosis, DoctorCheck } from '../../../src/index.ts'
import { diagnose } from '../../../src/index.ts'
import type { Tree } from '../entries/tree.ts'
import { debian, makeMachine, newer } from '../plan/debian.ts'
import { bookworm, machine } from '../policy/machines.ts'

/** A Debian machine on which nothing is wrong, as root sees it: systemd runs, and a watchdog that nobody has opened. */
export const healthy: Tree = {
  ...debian,
  ...machine(bookworm),
  [`/usr/lib/modules/${newer}`]: 'directory',
  '/proc/cmdline': { text: 'BOOT_IMAGE=/boot/vmlinuz root=UUID=0b0c-1d ro quiet\n' },
  '/proc/meminfo': { text: 'MemTotal:        4017328 kB\nMemFree:  100 kB\nMemAvailable:    3500000 kB\n' },
  '/proc/self/mountinfo': {
    text: '22 1 254:1 / / rw - ext4 /dev/vda1 rw\n30 22 254:15 / /boot/efi rw - vfat /dev/vda15 rw\n',
  },
  '/etc/fstab': { text: '# made by hand\nUUID=0b0c-1d / ext4 rw 0 1\nUUID=AB-CD /boot/efi/ vfat umask=0077 0 2\n' },
  '/dev/disk/by-uuid/0B0C-1D': { link: '../../vda1' },
  '/proc/1/comm': { text: 'systemd\n' },
  '/proc/1/maps': { text: '7f00-7f01 r--p 0 fe:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n' },
  '/proc/1/fd/30': { link: '/dev/null' },
  '/run/systemd/system': 'directory',
  '/usr/lib/systemd/system/kexec.target': { text: '' },
  '/usr/lib/systemd/systemd-shutdown': { text: '' },
  '/sys/kernel/kexec_loaded': { text: '0\n' },
  '/sys/kernel/kexec_crash_loaded': { text: '0\n' },
  '/sys/kernel/kexec_crash_size': { text: '0\n' },
  ...watchdog('inactive'),
}

/** /sys/class/watchdog as QEMU's i6300ESB shows it. */
export function watchdog(state: 'active' | 'inactive', nowayout = '0'): Tree {
  const directory = '/sys/class/watchdog/watchdog0'
  return {
    [`${directory}/identity`]: { text: 'i6300ESB timer\n' },
    [`${directory}/state`]: { text: `${state}\n` },
    [`${directory}/nowayout`]: { text: `${nowayout}\n` },
    [`${directory}/timeout`]: { text: '30\n' },
  }
}

/** The healthy machine with these files changed. */
export function changed(...changes: readonly Tree[]): Tree {
  return Object.assign({}, healthy, ...changes)
}

/** The healthy machine without what lies at or below these paths. */
export function without(...paths: readonly string[]): Tree {
  const isGone = (path: string) => paths.some((gone) => path === gone || path.startsWith(`${gone}/`))
  return Object.fromEntries(Object.entries(healthy).filter(([path]) => !isGone(path)))
}

export function examine(tree: Tree): Promise<Diagnosis> {
  return diagnose({ root: makeMachine(tree) })
}

/** One check of a machine. */
export async function check(id: string, tree: Tree): Promise<DoctorCheck> {
  const { checks } = await examine(tree)
  const found = checks.find((each) => each.id === id)
  if (found === undefined) throw new Error(`there is no check ${id}`)
  return found
}
