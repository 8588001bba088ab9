import type { InitSystem } from '../contract/init-system.ts'
import { request } from '../contract/request.ts'
import { examineRunlevelSix } from './runlevel-six.ts'
import { asksSysvinit, isSysvinit } from './sysvinit.ts'

/**
 * Gentoo's and Debian's OpenRC, started by sysvinit. Nothing reads OpenRC's own FIFO there, so the request goes to
 * sysvinit.
 */
export const openrcSysvinit: InitSystem = {
  name: 'openrc-sysvinit',
  title: 'OpenRC on sysvinit',
  detect(system, first) {
    if (!isSysvinit(system, first) || !system.stat('/run/openrc')?.isDirectory()) return undefined
    return [
      { source: '/etc/inittab', value: 'present' },
      { source: '/run/openrc', value: 'present' },
    ]
  },
  examine: examineRunlevelSix,
  handOver: (context) => request(context, asksSysvinit('sysvinit')),
}
