import type { InitSystem } from '../contract/init-system.ts'
import { busybox } from './busybox.ts'
import { dinit } from './dinit.ts'
import { direct } from './direct.ts'
import { finit } from './finit.ts'
import { openrcInit } from './openrc-init.ts'
import { openrcSysvinit } from './openrc-sysvinit.ts'
import { procd } from './procd.ts'
import { runit } from './runit.ts'
import { s6LinuxInit } from './s6-linux-init.ts'
import { systemd } from './systemd.ts'
import { sysvinit } from './sysvinit.ts'

/** The supported ways. The first whose `detect` answers is the running one, so weaker evidence comes later. */
export const initSystems: readonly InitSystem[] = [
  systemd,
  openrcInit,
  runit,
  s6LinuxInit,
  dinit,
  procd,
  finit,
  busybox,
  openrcSysvinit,
  sysvinit,
  direct,
]

/** The values of `--via`. */
export const ways: readonly string[] = ['auto', ...initSystems.map(({ name }) => name)]
