import { agentUnit } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import type { Userland } from './userland.ts'

/** The suite's own systemd, with udev and D-Bus. */
export const systemd: Userland = {
  name: 'systemd',
  packages: [
    'systemd',
    'systemd-sysv',
    'udev',
    'dbus',
    'kmod',
    'base-files',
    'bash',
    'coreutils',
    'dash',
    'findutils',
    'grep',
    'login',
    'mount',
    'procps',
    'sed',
    // Otherwise init-system-helpers pulls in usrmerge, and that all of perl.
    'usr-is-merged',
    'util-linux',
  ],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    const units = '/etc/systemd/system'
    tree.add({ path: '/etc/machine-id', data: '00000000000000000000000000000001\n', mode: 0o444 })
    tree.add({ path: `${units}/default.target`, link: '/usr/lib/systemd/system/multi-user.target' })
    tree.add({ path: `${units}/dbus.service`, link: '/usr/lib/systemd/system/dbus.service' })
    tree.add({ path: `${units}/linux-kexec-vm.service`, data: agentUnit })
    tree.add({ path: `${units}/multi-user.target.wants/linux-kexec-vm.service`, link: '../linux-kexec-vm.service' })
    // No login prompts: nobody answers, and the console is for the log.
    tree.add({ path: '/etc/systemd/system-generators/systemd-getty-generator', link: '/dev/null' })
    tree.add({ path: `${units}/getty.target`, link: '/dev/null' })
  },
}
