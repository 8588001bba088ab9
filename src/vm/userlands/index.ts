import { busybox } from './busybox.ts'
import { openrcSysvinit } from './openrc-sysvinit.ts'
import { systemd } from './systemd.ts'
import { sysvinit } from './sysvinit.ts'
import type { Userland } from './userland.ts'

/** What guests can run; adding one touches its file and this list. */
export const userlands = { busybox, systemd, sysvinit, 'openrc-sysvinit': openrcSysvinit } as const satisfies Readonly<
  Record<string, Userland>
>

export type UserlandName = keyof typeof userlands
