import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'

/** Which program is PID 1, and what tells so. */
export interface DetectedInit {
  /** 'systemd', 'openrc-init', 'sysvinit', …; 'self' when this process is PID 1; 'unknown' when nothing fits. */
  readonly name: string
  readonly evidence: readonly Evidence[]
}

/** Tells the init system by PID 1's program and by the folders that only a running one makes under /run. */
export function detectInit(system: System): DetectedInit {
  const comm = system.readText('/proc/1/comm')?.trim() ?? ''
  const program = system.readLink('/proc/1/exe')
  const evidence: Evidence[] = [{ source: '/proc/1/comm', value: comm === '' ? 'unreadable' : comm }]
  if (program !== undefined) evidence.push({ source: '/proc/1/exe', value: program })
  const tell = (name: string, ...more: Evidence[]): DetectedInit => ({ name, evidence: [...evidence, ...more] })
  const isFolder = (path: string) => system.stat(path)?.isDirectory() ?? false

  if (system.isLive && process.pid === 1) return tell('self')
  // sd_booted(3): the folder is there exactly when systemd is PID 1.
  if (isFolder('/run/systemd/system')) return tell('systemd', { source: '/run/systemd/system', value: 'present' })
  const base = (program ?? comm).split('/').at(-1) ?? ''
  const known = programs.get(base) ?? programs.get(comm)
  if (known !== undefined) return tell(known)
  if (base === 'init' || comm === 'init') {
    if (system.stat('/etc/inittab') !== undefined) {
      const openrc = isFolder('/run/openrc')
      return tell(openrc ? 'OpenRC on sysvinit' : 'sysvinit', { source: '/etc/inittab', value: 'present' })
    }
  }
  return tell('unknown')
}

const programs = new Map([
  ['systemd', 'systemd'],
  ['openrc-init', 'openrc-init'],
  ['runit', 'runit'],
  ['runit-init', 'runit'],
  ['s6-svscan', 's6-linux-init'],
  ['s6-linux-init', 's6-linux-init'],
  ['dinit', 'dinit'],
  ['busybox', 'busybox init'],
  ['finit', 'finit'],
  ['procd', 'procd'],
  ['tini', 'tini (a container)'],
  ['docker-init', 'docker-init (a container)'],
  ['dumb-init', 'dumb-init (a container)'],
])
