import { busybox } from './busybox.ts'
import { systemd } from './systemd.ts'
import type { Userland } from './userland.ts'

/** What guests can run; adding one touches its file and this list. */
export const userlands = { busybox, systemd } as const satisfies Readonly<Record<string, Userland>>

export type UserlandName = keyof typeof userlands
