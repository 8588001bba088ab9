import type { System } from '../../system/system.ts'
import type { InitSystem } from '../contract/init-system.ts'
import { type Request, request } from '../contract/request.ts'
import { enterRunlevel } from '../first-process/initctl.ts'
import type { FirstProcess } from '../first-process/pid1.ts'
import { examineRunlevelSix } from './runlevel-six.ts'

/** Debian's, Devuan's, Slackware's, RHEL 6's: init(8) enters runlevel 6, and the boot scripts do the rest. */
export const sysvinit: InitSystem = {
  name: 'sysvinit',
  title: 'sysvinit',
  detect: (system, first) => (isSysvinit(system, first) ? [{ source: '/etc/inittab', value: 'present' }] : undefined),
  examine: examineRunlevelSix,
  handOver: (context) => request(context, asksSysvinit('sysvinit')),
}

/** Whether PID 1 is sysvinit, OpenRC on it or not. busybox has an inittab as well, in which runlevels mean nothing. */
export function isSysvinit(system: System, first: FirstProcess): boolean {
  return first.isNamed('init') && !first.isNamed('busybox') && system.stat('/etc/inittab') !== undefined
}

/** The request to sysvinit. */
export function asksSysvinit(of: string): Request {
  return {
    of,
    ask: () => enterRunlevel('6'),
    hint: 'Look at the console: a script that does not end holds up all later ones. `runlevel` shows whether init has begun.',
  }
}
