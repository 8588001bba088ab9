import { addAppletsBesideInit } from './base.ts'
import { bootScriptPackages, CONFIGURE, inittab } from './sysvinit.ts'
import type { Userland } from './userland.ts'

/** /etc/init.d/rc and rcS are OpenRC's here: they put the boot scripts of a runlevel into one of OpenRC's. */
export const openrcPackages = ['openrc', ...bootScriptPackages]

/**
 * The steps of Debian's openrc at its installation: entries of sysvinit's runlevels go into OpenRC's, and those only
 * stopped, at the end, into `off`.
 */
export const configureOpenrc = `#!/bin/sh
exec >/dev/console 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
(cd /etc/init.d && insserv $(grep -l 'BEGIN INIT INFO' *))
add() { for link in /etc/rc$1.d/S*; do rc-update -q add "$(basename "$(readlink "$link")")" $2; done; }
add S sysinit
add 2 default
for link in /etc/rc6.d/K*; do
  name=$(basename "$(readlink "$link")")
  [ "$name" = reboot ] || grep -Eq '^# Default-Start:[[:space:]]+[S12345]' "/etc/init.d/$name" || rc-update -q add "$name" off
done
rc-update -q add savecache off
rc-update -q add cgroups sysinit
rc-update -u
exit 0
`

/** Debian's OpenRC, started by sysvinit. */
export const openrcSysvinit: Userland = {
  name: 'openrc-sysvinit',
  packages: ['sysvinit-core', ...openrcPackages],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    tree.add({ path: CONFIGURE, data: configureOpenrc, mode: 0o755 })
    tree.add({ path: '/etc/inittab', data: inittab })
    tree.add({ path: '/etc/fstab', data: '' })
  },
}
