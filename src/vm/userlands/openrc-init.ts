import { AGENT } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import { configureOpenrc, openrcPackages } from './openrc-sysvinit.ts'
import { CONFIGURE } from './sysvinit.ts'
import type { Userland } from './userland.ts'

/** Configures before PID 1 reads the runlevels. */
const init = `#!/bin/sh
${CONFIGURE}
exec /sbin/openrc-init
`

/**
 * It starts when openrc-init has started everything, which is when it opens its FIFO. No runlevel stops it: it ends
 * with the processes that are left.
 */
const service = `#!/sbin/openrc-run
description="linux-kexec/vm agent"
start() {
  setsid sh -c 'until [ -p /run/openrc/init.ctl ]; do sleep 0.1; done; exec ${AGENT}' </dev/null >/dev/null 2>&1 &
}
stop() { return 0; }
`

/**
 * The final steps of OpenRC's own killprocs and mount-ro. Debian leaves them out, because its boot scripts do the same.
 */
const unmount = `#!/sbin/openrc-run
description="Ends the processes that are left and unmounts the file systems"
start() {
  for script in sendsigs umountnfs.sh umountfs umountroot; do /etc/init.d/$script stop; done
  return 0
}
`

/** OpenRC as PID 1, from Debian's openrc. */
export const openrcInit: Userland = {
  name: 'openrc-init',
  packages: openrcPackages,
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    tree.add({ path: CONFIGURE, data: configureOpenrc, mode: 0o755 })
    tree.add({ path: '/sbin/init', data: init, mode: 0o755 })
    tree.add({ path: '/etc/fstab', data: '' })
    tree.add({ path: '/etc/init.d/linux-kexec-vm', data: service, mode: 0o755 })
    tree.add({ path: '/etc/init.d/unmount', data: unmount, mode: 0o755 })
    tree.add({ path: '/etc/runlevels/default/linux-kexec-vm', link: '/etc/init.d/linux-kexec-vm' })
    for (const runlevel of ['reboot', 'shutdown'])
      tree.add({ path: `/etc/runlevels/${runlevel}/unmount`, link: '/etc/init.d/unmount' })
  },
}
