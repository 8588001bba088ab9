import { posix } from 'node:path'
import { parseCommandLine } from '../../cmdline/parse.ts'
import { matchesGlob } from '../../entries/names/glob.ts'
import type { System } from '../../system/system.ts'

/** One line that sets a switch when the machine boots. */
export interface SysctlSetting {
  /** The file, or /proc/cmdline. */
  readonly path: string
  /** Its number, from 1; null for the command line. */
  readonly line: number | null
  /** Its text, unchanged. */
  readonly text: string
  readonly value: string
}

/** In order of precedence: of several files with one name only the first counts (sysctl.d(5), sysctl(8)). */
const DIRECTORIES = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d', '/lib/sysctl.d']

/** procps and busybox read it last; systemd-sysctl only where a link in sysctl.d leads to it, as Debian's once did. */
const LAST = '/etc/sysctl.conf'

/** More than any configuration has. */
const MAX_LINES = 10_000

/**
 * The boot settings that give a switch its value, the one that counts first: the kernel's command line, then the files.
 * Empty where a program has set it since.
 * @param name as `sysctl` writes it: 'kernel.kexec_load_disabled'
 */
export function settingsOf(system: System, name: string): SysctlSetting[] {
  const key = name.replaceAll('.', '/')
  return [...fromCommandLine(system, key), ...fromFiles(system, key).reverse()]
}

/** process_sysctl_arg of fs/proc/proc_sysctl.c, since Linux 5.8: dots or slashes, and `-` is not `_` here. */
function fromCommandLine(system: System, key: string): SysctlSetting[] {
  const { parameters } = parseCommandLine(system.runningCommandLine() ?? '')
  return parameters.flatMap((parameter) => {
    const name = /^sysctl[./](.+)$/.exec(parameter.key)?.[1]?.replaceAll('.', '/')
    if (name !== key || parameter.value === null) return []
    return [{ path: '/proc/cmdline', line: null, text: parameter.raw, value: parameter.value }]
  })
}

/** In reading order: the last one counts. A name takes precedence over a pattern, in any order. */
function fromFiles(system: System, key: string): SysctlSetting[] {
  const lines = filesOf(system).flatMap((path) => linesOf(system, path))
  const isExcluded = lines.some(({ name, value }) => value === null && matches(name, key))
  const fits = lines.filter(({ name, value }) => value !== null && matches(name, key))
  const byName = fits.filter(({ name }) => name === key)
  const byPattern = isExcluded ? [] : fits.filter(({ name }) => name !== key)
  return [...byPattern, ...byName].map(({ path, line, text, value }) => ({ path, line, text, value: value ?? '' }))
}

function filesOf(system: System): string[] {
  const byName = new Map<string, string>()
  for (const directory of DIRECTORIES) {
    for (const name of system.list(directory)) {
      if (name.endsWith('.conf') && !byName.has(name)) byName.set(name, posix.join(directory, name))
    }
  }
  const sorted = [...byName].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, path]) => path)
  return isReadBySystemd(system) ? sorted : [...sorted, LAST]
}

function isReadBySystemd(system: System): boolean {
  return (
    system.stat('/run/systemd/system')?.isDirectory() === true ||
    ['/usr/lib/systemd/systemd-sysctl', '/lib/systemd/systemd-sysctl'].some((path) => system.stat(path) !== undefined)
  )
}

interface Line extends Omit<SysctlSetting, 'value'> {
  /** With slashes; may be a pattern. */
  readonly name: string
  /** Null for `-PATTERN`, which excludes names from patterns. */
  readonly value: string | null
}

function linesOf(system: System, path: string): Line[] {
  // A device contains no settings, such as the link to /dev/null that masks a file.
  if (system.stat(path)?.isFile() !== true) return []
  return (system.readText(path) ?? '').split('\n', MAX_LINES).flatMap((whole, index) => {
    const text = whole.trim()
    if (text === '' || text.startsWith('#') || text.startsWith(';')) return []
    const equals = text.indexOf('=')
    const left = (equals < 0 ? text : text.slice(0, equals)).trim()
    // The hyphen only means that a failure is ignored.
    const name = left.startsWith('-') ? left.slice(1).trim() : left
    if (equals < 0 && left === name) return []
    const value = equals < 0 ? null : text.slice(equals + 1).trim()
    return [{ path, line: index + 1, text, name: withSlashes(name), value }]
  })
}

/** Where the first separator is a dot, dots and slashes swap (sysctl_normalize of systemd, slashdot of procps). */
function withSlashes(name: string): string {
  if (/[./]/.exec(name)?.[0] !== '.') return name.replace(/^\//, '')
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))
}

/** A star stops at a slash. */
function matches(pattern: string, key: string): boolean {
  const [parts, names] = [pattern.split('/'), key.split('/')]
  return parts.length === names.length && parts.every((part, index) => matchesGlob(part, names[index] as string))
}
