import { AGENT } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import { mountEarly } from './early.ts'
import type { Userland } from './userland.ts'

/** Debian's runit-init: its own three stages, the second over runsvdir, the third over the scripts of runlevel 6. */
export const runit: Userland = {
  name: 'runit',
  packages: ['runit', 'runit-init', 'initscripts', 'sysvinit-utils', 'coreutils', 'mount', 'procps'],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    tree.add({ path: '/etc/fstab', data: '' })
    tree.add({ path: '/etc/mtab', link: '/proc/mounts' })
    tree.add({ path: '/etc/rcS.d/S01mount', data: mountEarly, mode: 0o755 })
    tree.add({ path: '/etc/rc2.d', directory: true })
    // In insserv's order on a Debian machine.
    for (const [index, name] of ['sendsigs', 'umountnfs.sh', 'umountfs', 'umountroot', 'reboot'].entries())
      tree.add({ path: `/etc/rc6.d/K0${index + 1}${name}`, link: `../init.d/${name}` })
    // As after runit's postinst.
    tree.add({ path: '/etc/service', link: '/etc/runit/runsvdir/current' })
    tree.add({ path: '/etc/runit/runsvdir/current', link: 'default' })
    addRunitService(tree, 'agent', { run: `#!/bin/sh\nexec ${AGENT}\n` })
  },
}

/** A service as Debian's runit has them: described in /etc/sv, enabled by a link, its state in /run. */
function addRunitService(tree: Parameters<Userland['complete']>[0], name: string, scripts: Record<string, string>) {
  for (const [script, data] of Object.entries(scripts))
    tree.add({ path: `/etc/sv/${name}/${script}`, data, mode: 0o755 })
  tree.add({ path: `/etc/sv/${name}/supervise`, link: `/run/runit/supervise/${name}` })
  tree.add({ path: `/etc/runit/runsvdir/default/${name}`, link: `/etc/sv/${name}` })
}
