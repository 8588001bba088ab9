import { posix } from 'node:path'
import type { Evidence } from '../../errors.ts'
import { detectInit } from '../../handover/detect.ts'
import type { System } from '../../system/system.ts'
import type { Finding, Subject } from '../examination/check.ts'
import { type Examination, readEvidence } from '../examination/examination.ts'

/** Documentation/ABI/testing/sysfs-class-watchdog. The files exist with CONFIG_WATCHDOG_SYSFS. */
const CLASS = '/sys/class/watchdog'

/** Far more watchdogs than a machine has, and more descriptors than PID 1 holds. */
const MAX_NAMES = 4096

/** Whether a hardware watchdog runs. It resets the machine when nobody feeds it while the kernels change. */
export const watchdog: Subject<'watchdog'> = {
  name: 'handover',
  ids: ['watchdog'],
  needsMachine: true,
  examine: ({ system }: Examination) => [running(system)],
}

interface Watchdog {
  readonly name: string
  readonly state: string | null
  readonly cannotStop: boolean
  /** Seconds. */
  readonly timeout: string | null
  readonly identity: string
  readonly isSystemds: boolean
  readonly evidence: readonly Evidence[]
}

function running(system: System): Finding<'watchdog'> {
  const id = 'watchdog'
  const names = system.list(CLASS).slice(0, MAX_NAMES)
  if (names.length === 0) {
    const legacy = system.exists('/dev/watchdog')
    return legacy
      ? {
          id,
          status: 'unknown',
          summary: 'There is a watchdog; whether it is running is unknown.',
          evidence: [{ source: '/dev/watchdog', value: 'present' }],
          remedy: 'wdctl',
        }
      : { id, status: 'ok', summary: 'There is no watchdog.', evidence: [{ source: CLASS, value: 'empty or absent' }] }
  }
  const all = names.map((name) => read(system, name))
  const evidence = all.flatMap((each) => each.evidence)
  const active = all.filter(({ state }) => state === 'active')
  const risky = active.find(({ cannotStop }) => cannotStop) ?? active.find(({ isSystemds }) => !isSystemds)
  if (risky !== undefined) return { ...warning(risky), evidence }
  const [systemds] = active
  if (systemds !== undefined)
    return { id, status: 'ok', summary: `${systemds.name} is running; systemd stops it before the kexec.`, evidence }
  if (all.some(({ state }) => state === null)) {
    const summary = 'There is a watchdog; whether it is running is unknown (CONFIG_WATCHDOG_SYSFS is off).'
    return { id, status: 'unknown', summary, evidence: [{ source: CLASS, value: names.join(' ') }], remedy: 'wdctl' }
  }
  return { id, status: 'ok', summary: 'No watchdog is running.', evidence }
}

function read(system: System, name: string): Watchdog {
  const text = (file: string) => system.readText(posix.join(CLASS, name, file))?.trim() ?? null
  const paths = ['identity', 'state', 'nowayout', 'timeout'].map((file) => posix.join(CLASS, name, file))
  const holder = heldByInit(system, name)
  return {
    name,
    state: text('state'),
    cannotStop: text('nowayout') === '1',
    timeout: text('timeout'),
    identity: text('identity') ?? name,
    isSystemds: holder !== undefined && disarms(system),
    evidence: [...readEvidence(system, ...paths), ...(holder === undefined ? [] : [holder])],
  }
}

/** Root can see the files that PID 1 has open. */
function heldByInit(system: System, name: string): Evidence | undefined {
  const devices = name === 'watchdog0' ? ['/dev/watchdog', '/dev/watchdog0'] : [`/dev/${name}`]
  for (const descriptor of system.list('/proc/1/fd').slice(0, MAX_NAMES)) {
    const source = `/proc/1/fd/${descriptor}`
    const value = system.readLink(source)
    if (value !== undefined && devices.includes(value)) return { source, value }
  }
  return undefined
}

/** systemd closes its watchdog for good on the way to a kexec, unless KExecWatchdogSec= is set: systemd-system.conf(5). */
function disarms(system: System): boolean {
  if (detectInit(system).name !== 'systemd') return false
  const directories = ['/usr/lib', '/usr/local/lib', '/etc', '/run'].map((top) => `${top}/systemd/system.conf.d`)
  const dropIns = directories.flatMap((directory) => system.list(directory).map((name) => `${directory}/${name}`))
  const files = ['/usr/lib/systemd/system.conf', '/etc/systemd/system.conf', ...dropIns].slice(0, MAX_NAMES)
  const values = files.flatMap((file) =>
    [...(system.readText(file) ?? '').matchAll(/^[ \t]*KExecWatchdogSec[ \t]*=[ \t]*(\S*)/gm)].map(
      ([, value]) => value,
    ),
  )
  return values.every((value) => value === '' || value === 'off' || value === '0')
}

function warning({ name, identity, timeout, cannotStop }: Watchdog): Finding<'watchdog'> {
  const seconds = timeout === null ? 'in time' : `within ${timeout} s`
  const what = identity === name ? name : `${name} (${identity})`
  const summary = `${what} runs${cannotStop ? ' and cannot be stopped' : ''}: it resets the machine unless it is fed ${seconds}.`
  const detail = [
    cannotStop
      ? 'nowayout is set: the new kernel must have its driver early, and a program that feeds it.'
      : 'The watchdog stops only if the program that feeds it closes it properly.',
  ]
  const remedy = cannotStop
    ? 'Set a timeout longer than the kexec takes (RuntimeWatchdogSec=3min in /etc/systemd/system.conf, or the daemon that feeds it)'
    : `fuser -v /dev/${name}, and stop that service before the reboot`
  return { id: 'watchdog', status: 'warning', summary, detail, remedy }
}
