import { AGENT } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import type { Userland } from './userland.ts'

/** Programs that Debian's boot scripts call, besides the packages' own dependencies. */
export const bootScriptPackages = [
  'initscripts',
  'insserv',
  'sysvinit-utils',
  'coreutils',
  'findutils',
  'grep',
  'mount',
  'procps',
  'sed',
  'util-linux',
]

export const CONFIGURE = '/usr/lib/linux-kexec-vm/configure'

/**
 * The work of the packages' maintainer scripts through update-rc.d, at the first boot: links and dependencies of all
 * boot scripts, by their LSB headers.
 */
const configure = `#!/bin/sh
exec >/dev/console 2>&1
cd /etc/init.d && exec /sbin/insserv $(grep -l 'BEGIN INIT INFO' *)
`

/** Debian's own inittab without the logins, and with the agent: runlevel 6 does not have it, so init ends it first. */
export const inittab = `id:2:initdefault:
ic::sysinit:${CONFIGURE}
si::sysinit:/etc/init.d/rcS
~~:S:wait:/sbin/sulogin --force
l0:0:wait:/etc/init.d/rc 0
l1:1:wait:/etc/init.d/rc 1
l2:2:wait:/etc/init.d/rc 2
l3:3:wait:/etc/init.d/rc 3
l4:4:wait:/etc/init.d/rc 4
l5:5:wait:/etc/init.d/rc 5
l6:6:wait:/etc/init.d/rc 6
z6:6:respawn:/sbin/sulogin --force
ag:2345:respawn:${AGENT}
`

/** Debian's sysvinit with its boot scripts, started in parallel by startpar. */
export const sysvinit: Userland = {
  name: 'sysvinit',
  packages: ['sysvinit-core', 'sysv-rc', 'startpar', ...bootScriptPackages],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    tree.add({ path: CONFIGURE, data: configure, mode: 0o755 })
    tree.add({ path: '/etc/inittab', data: inittab })
    tree.add({ path: '/etc/fstab', data: '' })
  },
}
