import { unquote } from '../efi/blanks.ts'
import { forEachKeyValue } from './type1.ts'

/** The settings of loader.conf(5) for the menu and its default. */
export interface LoaderConf {
  readonly path: string
  /** Patterns for ids. */
  readonly preferred: Setting | null
  readonly default: Setting | null
  /** Seconds, or a word: `menu-force` waits for a key. */
  readonly timeout: string | null
  /** Whether the menu has entries for other systems that it finds by itself. */
  readonly autoEntries: boolean
  readonly autoFirmware: boolean
  readonly problems: readonly string[]
}

export interface Setting {
  readonly value: string
  readonly line: number
}

/** systemd-boot passes over another value, and compares letter case (config_defaults_load_from_file in src/boot/boot.c). */
const TIMEOUT = /^(?:\d+|menu-(?:disabled|force|hidden))$/

export function parseLoaderConf(text: string, path: string): LoaderConf {
  const patterns: { preferred: Setting | null; default: Setting | null } = { preferred: null, default: null }
  const switches = { 'auto-entries': true, 'auto-firmware': true }
  const problems: string[] = []
  let timeout: string | null = null
  forEachKeyValue(text, (key, quoted, line) => {
    const value = unquote(quoted)
    if (key === 'default' || key === 'preferred') {
      if (value.startsWith('@') && value.toLowerCase() !== '@saved')
        problems.push(`${path}:${line}: systemd-boot knows no ${key} '${value}' and passes over it; there is '@saved'.`)
      else patterns[key] = { value, line }
    } else if (key === 'timeout') {
      if (TIMEOUT.test(value)) timeout = value
    } else if (key === 'auto-entries' || key === 'auto-firmware') {
      const on = booleans.get(value)
      if (on === undefined) problems.push(`${path}:${line}: ${key} is neither yes nor no: '${value}'.`)
      else switches[key] = on
    }
  })
  return {
    path,
    ...patterns,
    timeout,
    autoEntries: switches['auto-entries'],
    autoFirmware: switches['auto-firmware'],
    problems,
  }
}

/** loader.conf(5), "Description". */
const booleans = new Map([
  ...['yes', 'y', 'true', 't', 'on', '1'].map((word) => [word, true] as const),
  ...['no', 'n', 'false', 'f', 'off', '0'].map((word) => [word, false] as const),
])
