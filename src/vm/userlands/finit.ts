import { AGENT } from '../initramfs/scripts.ts'
import { addAppletsBesideInit } from './base.ts'
import type { Userland } from './userland.ts'

/** Debian's finit. That of Debian 12 has no hook scripts yet. */
export const finit: Userland = {
  name: 'finit',
  packages: ['finit', 'finit-plugins', 'mount', 'procps'],
  suites: ['trixie'],
  complete(tree, { applets }) {
    addAppletsBesideInit(tree, applets)
    tree.add({ path: '/sbin/init', link: 'finit' })
    tree.add({ path: '/etc/fstab', data: '' })
    tree.add({ path: '/etc/finit.conf', data: 'host guest\n' })
    // No login prompts: nobody answers, and the console is for the log.
    tree.add({ path: '/etc/finit.d/getty.conf', data: '' })
    tree.add({
      path: '/etc/finit.d/agent.conf',
      data: `service [S2345] cgroup.init ${AGENT} -- linux-kexec/vm agent\n`,
    })
  },
}
