import { posix } from 'node:path'
import type { Evidence } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { readSystemdWatchdog, type SystemdWatchdog } from '../../system/watchdog/systemd-settings.ts'
import {
  readWatchdogCore,
  readWatchdogs,
  type Watchdog,
  type WatchdogCore,
  watchdogDevices,
} from '../../system/watchdog/watchdogs.ts'
import { asModule } from './watchdog-drivers.ts'

/** Far more processes, and more descriptors of one, than a machine has. */
const MAX_NAMES = 32_768

/** A process that holds a watchdog open. */
export interface WatchdogHolder {
  readonly process: number
  /** Its name, at most 15 bytes. */
  readonly name: string
  readonly evidence: Evidence
}

/** What a judgement of watchdogs goes by. */
export interface WatchdogFacts {
  readonly watchdogs: readonly Watchdog[]
  readonly core: WatchdogCore
  /** The name of the init system, as `detectInit` has it. */
  readonly init: string
  readonly systemd: SystemdWatchdog
  /** The processes other than PID 1 that hold one, by its name: root sees those of all users. */
  readonly holders: ReadonlyMap<string, WatchdogHolder>
}

/** Whether a kernel has a driver. */
export type DriverKind = 'module' | 'built-in' | 'absent' | 'unknown'

/** The kernel to start, as far as its watchdog drivers are concerned. */
export interface WatchdogTarget {
  /** As `uname -r` shows it; null where the image does not contain it. */
  readonly release: string | null
  kindOf(module: string): DriverKind
}

export function readWatchdogFacts(system: System, init: string): WatchdogFacts {
  const watchdogs = readWatchdogs(system)
  const running = watchdogs.filter(({ state, heldByInit }) => state === 'active' && heldByInit === null)
  return {
    watchdogs,
    core: readWatchdogCore(system),
    init,
    systemd: readSystemdWatchdog(system),
    holders: running.length === 0 ? new Map() : findHolders(system, running),
  }
}

function findHolders(system: System, watchdogs: readonly Watchdog[]): Map<string, WatchdogHolder> {
  const holders = new Map<string, WatchdogHolder>()
  const byDevice = new Map(watchdogs.flatMap(({ name }) => watchdogDevices(name).map((device) => [device, name])))
  const processes = system.list('/proc').filter((name) => /^\d+$/.test(name))
  for (const process of processes.slice(0, MAX_NAMES)) {
    for (const descriptor of system.list(`/proc/${process}/fd`).slice(0, MAX_NAMES)) {
      const source = `/proc/${process}/fd/${descriptor}`
      const value = system.readLink(source)
      const name = value === undefined ? undefined : byDevice.get(value)
      if (name === undefined || value === undefined) continue
      const comm = system.readText(`/proc/${process}/comm`)?.trim() ?? 'a process'
      holders.set(name, { process: Number(process), name: comm, evidence: { source, value } })
    }
  }
  return holders
}

/** The drivers of an installed kernel, by its modules.dep and modules.builtin. */
export function readWatchdogTarget(system: System, release: string | null): WatchdogTarget {
  const directory = ['/usr/lib/modules', '/lib/modules']
    .map((parent) => posix.join(parent, release ?? ''))
    .find((each) => release !== null && system.exists(each))
  const names = (file: string) =>
    directory === undefined ? undefined : moduleNames(system.readText(posix.join(directory, file)))
  const builtIn = names('modules.builtin')
  const modules = names('modules.dep')
  return {
    release,
    kindOf(module) {
      const name = asModule(module)
      if (builtIn?.has(name)) return 'built-in'
      if (modules?.has(name)) return 'module'
      return builtIn === undefined || modules === undefined ? 'unknown' : 'absent'
    },
  }
}

/** Each line begins with the path of a module. */
function moduleNames(text: string | undefined): Set<string> | undefined {
  if (text === undefined) return undefined
  return new Set(
    [...text.matchAll(/^(?:[^:\s]*\/)?([^:/\s]+)\.ko[.\w]*(?=:|$)/gm)].map(([, name]) => asModule(name as string)),
  )
}
