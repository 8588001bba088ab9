import { AGENT } from '../initramfs/scripts.ts'
import { addApplets } from './base.ts'
import { mountEarly } from './early.ts'
import type { Userland } from './userland.ts'

/** busybox's own init as PID 1, with the /etc/inittab of a small system. */
export const busyboxInit: Userland = {
  name: 'busybox-init',
  packages: [],
  complete(tree, { applets }) {
    addApplets(tree, applets)
    tree.add({ path: '/sbin/init', link: '/usr/bin/busybox' })
    tree.add({ path: '/etc/init.d/rcS', data: mountEarly, mode: 0o755 })
    tree.add({ path: '/etc/init.d/rcK', data: stopServices, mode: 0o755 })
    tree.add({ path: '/etc/inittab', data: inittab })
  },
}

/** Its /etc/inittab. */
export const inittab = `# Format: console::action:program
::sysinit:/etc/init.d/rcS
::respawn:${AGENT}
::ctrlaltdel:/sbin/reboot
::shutdown:/etc/init.d/rcK
::shutdown:/sbin/swapoff -a
::shutdown:/bin/umount -a -r
::restart:/sbin/init
`

/** As in Buildroot's rcK: all services are stopped, the last one first. */
const stopServices = `#!/bin/sh
for script in $(ls -r /etc/init.d/S??* 2>/dev/null); do
  "$script" stop
done
`
