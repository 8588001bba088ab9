import { busyboxInit } from '../initramfs/scripts.ts'
import { addApplets } from './base.ts'
import type { Userland } from './userland.ts'

/** busybox, with dash as its shell and a script of ours as PID 1. */
export const busybox: Userland = {
  name: 'busybox',
  packages: [],
  complete(tree, { applets }) {
    addApplets(tree, applets)
    tree.add({ path: '/sbin/init', data: busyboxInit, mode: 0o755 })
  },
}
