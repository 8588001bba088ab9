import { busybox } from './busybox.ts'
import { busyboxInit } from './busybox-init.ts'
import { finit } from './finit.ts'
import { openrcInit } from './openrc-init.ts'
import { openrcSysvinit } from './openrc-sysvinit.ts'
import { runit } from './runit.ts'
import { s6LinuxInit } from './s6-linux-init.ts'
import { systemd } from './systemd.ts'
import { sysvinit } from './sysvinit.ts'
import type { Userland } from './userland.ts'

/** The userlands of guests; adding one touches its file and this list. */
export const userlands = {
  busybox,
  'busybox-init': busyboxInit,
  finit,
  'openrc-init': openrcInit,
  'openrc-sysvinit': openrcSysvinit,
  runit,
  's6-linux-init': s6LinuxInit,
  systemd,
  sysvinit,
} as const satisfies Readonly<Record<string, Userland>>

export type UserlandName = keyof typeof userlands
