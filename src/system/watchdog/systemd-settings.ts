import type { Evidence } from '../../errors.ts'
import type { System } from '../system.ts'

/** Seconds; 0: off. 'default' leaves the watchdog at its driver's timeout. */
export type WatchdogTime = number | 'default'

/** What systemd does with the watchdog: systemd-system.conf(5). */
export interface SystemdWatchdog {
  /** While the system runs: RuntimeWatchdogSec=. */
  readonly runtime: WatchdogTime
  /** From the end of the services to the new kernel: KExecWatchdogSec=. */
  readonly kexec: WatchdogTime
  /** WatchdogDevice=; null where systemd takes the first one. */
  readonly device: string | null
  readonly evidence: readonly Evidence[]
}

/** Directories of configuration, the strongest first: systemd-system.conf(5). */
const DIRECTORIES = ['/etc', '/run', '/usr/local/lib', '/usr/lib'].map((top) => `${top}/systemd`)

/** More drop-ins than any machine has. */
const MAX_FILES = 1024

/** Seconds by unit: systemd.time(7). */
const units: readonly (readonly [name: RegExp, seconds: number])[] = [
  [/^(?:us|usec|µs|μs)$/, 1e-6],
  [/^(?:ms|msec)$/, 1e-3],
  [/^(?:|s|sec|seconds?)$/, 1],
  [/^(?:m|min|minutes?)$/, 60],
  [/^(?:h|hr|hours?)$/, 3600],
  [/^(?:d|days?)$/, 86_400],
  [/^(?:w|weeks?)$/, 604_800],
]

/** The settings as systemd reads them at its start; a change of the files waits for `systemctl daemon-reexec`. */
export function readSystemdWatchdog(system: System): SystemdWatchdog {
  const settings = new Map<string, Evidence>()
  for (const source of configurationFiles(system)) {
    for (const [name, value] of managerSettings(system.readText(source) ?? '')) {
      // systemd ignores a time that it cannot read, and keeps the one before.
      if (name.endsWith('Sec') && watchdogTime(value) === undefined) continue
      settings.set(name, { source: `${source} ${name}`, value })
    }
  }
  const seconds = overriding(system, 'sec')
  if (seconds !== undefined && watchdogTime(seconds.value) !== undefined) {
    for (const name of ['RuntimeWatchdogSec', 'KExecWatchdogSec']) settings.set(name, seconds)
  }
  const device = overriding(system, 'device') ?? settings.get('WatchdogDevice')
  const time = (name: string) => watchdogTime(settings.get(name)?.value ?? 'off') ?? 0
  return {
    runtime: time('RuntimeWatchdogSec'),
    kexec: time('KExecWatchdogSec'),
    device: device?.value.startsWith('/') ? device.value : null,
    evidence: [...new Set(settings.values())],
  }
}

/** The last `systemd.watchdog_NAME=` of the running command line, which overrides the files: kernel-command-line(7). */
function overriding(system: System, name: 'sec' | 'device'): Evidence | undefined {
  const pattern = new RegExp(`(?:^|\\s)systemd[.]watchdog[-_]${name}=(\\S+)`, 'g')
  const value = [...(system.runningCommandLine() ?? '').matchAll(pattern)].at(-1)?.[1]
  return value === undefined ? undefined : { source: `/proc/cmdline systemd.watchdog_${name}`, value }
}

/** The one main file, then the drop-ins in order of their names; a name in a stronger directory hides the others. */
function configurationFiles(system: System): string[] {
  const main = DIRECTORIES.map((directory) => `${directory}/system.conf`).find((path) => system.exists(path))
  const dropIns = new Map<string, string>()
  for (const directory of DIRECTORIES.map((each) => `${each}/system.conf.d`)) {
    for (const name of system.list(directory).slice(0, MAX_FILES)) {
      if (name.endsWith('.conf') && !dropIns.has(name)) dropIns.set(name, `${directory}/${name}`)
    }
  }
  const sorted = [...dropIns].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, path]) => path)
  return main === undefined ? sorted : [main, ...sorted]
}

/** Names and values of the watchdog's settings in the section Manager. */
function managerSettings(text: string): [name: string, value: string][] {
  const found: [string, string][] = []
  let section = ''
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, header] = /^\[(.*)\]$/.exec(line) ?? []
    if (header !== undefined) section = header
    const [, name, value] = /^(\w+)\s*=\s*(.*)$/.exec(line) ?? []
    if (section !== 'Manager' || name === undefined || value === undefined) continue
    if (['RuntimeWatchdogSec', 'KExecWatchdogSec', 'WatchdogDevice'].includes(name)) found.push([name, value])
  }
  return found
}

/** Undefined for text that is not a time span. */
function watchdogTime(text: string): WatchdogTime | undefined {
  if (text === 'default' || text === 'infinity') return 'default'
  if (text === 'off') return 0
  let seconds = 0
  let rest = text.trim()
  do {
    const [part, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-zµμ]*)\s*/.exec(rest) ?? []
    const size = units.find(([name]) => name.test(unit ?? '?'))?.[1]
    if (part === undefined || size === undefined) return undefined
    seconds += Number(number) * size
    rest = rest.slice(part.length)
  } while (rest !== '')
  return seconds
}
