import { spawnSync } from 'node:child_process'
import { posix } from 'node:path'
import type { System } from '../../system/system.ts'
import { isWatchdogThere } from '../../trial/guards/arm-watchdog.ts'
import type { GuardControl } from '../../trial/model/guard-control.ts'
import type { WatchdogGuard } from '../../trial/model/trial.ts'
import { warn } from '../output/output.ts'

/** The program with which the kernel itself loads modules: Documentation/admin-guide/sysctl/kernel.rst, modprobe. */
const PATH_OF_MODPROBE = '/proc/sys/kernel/modprobe'

/** Milliseconds that it may take. */
const LIMIT = 30_000

/**
 * Guards that can be released although `modprobe.blacklist=` keeps the watchdog's driver away: it is loaded first. The
 * library starts no programs, so this is the command's.
 */
export function loadingDrivers(system: System, guards: GuardControl): GuardControl {
  return {
    ...guards,
    release(given) {
      if (given.watchdog !== null) loadDriver(system, given.watchdog)
      guards.release(given)
    },
  }
}

/** Loads the driver of a watchdog where it is missing. A failure is warned of; the release then says what is missing. */
function loadDriver(system: System, guard: WatchdogGuard): void {
  if (guard.driver === null || isWatchdogThere(system, guard)) return
  const program = posix.join(system.root, system.readText(PATH_OF_MODPROBE)?.trim() || '/sbin/modprobe')
  const { status, error, stderr } = spawnSync(program, ['--', guard.driver], {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: LIMIT,
  })
  if (status === 0) return
  const why = error?.message ?? (stderr.trim().split('\n').at(-1) || `status ${status}`)
  warn(`${program} did not load ${guard.driver}: ${why}`)
}
