import type { InitSystem } from '../init-system.ts'
import { direct } from './direct.ts'
import { openrcInit } from './openrc-init.ts'
import { openrcSysvinit } from './openrc-sysvinit.ts'
import { systemd } from './systemd.ts'
import { sysvinit } from './sysvinit.ts'

/** The ways of handing over. The first whose `detect` answers is what runs, so what is told by less stands further down. */
export const initSystems: readonly InitSystem[] = [systemd, openrcInit, openrcSysvinit, sysvinit, direct]

/** What `--via` takes. */
export const ways: readonly string[] = ['auto', ...initSystems.map(({ name }) => name)]
