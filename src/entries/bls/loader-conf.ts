import { unquote } from '../efi/blanks.ts'
import { forEachKeyValue } from './type1.ts'

/** The settings of loader.conf(5) for the menu and its default. */
export interface LoaderConf {
  readonly path: string
  /** Patterns for ids. */
  readonly preferred: Setting | null
  readonly default: Setting | null
  /** Whether the menu has entries for other systems that it finds by itself. */
  readonly autoEntries: boolean
  readonly autoFirmware: boolean
  readonly problems: readonly string[]
}

export interface Setting {
  readonly value: string
  readonly line: number
}

export function parseLoaderConf(text: string, path: string): LoaderConf {
  const patterns: { preferred: Setting | null; default: Setting | null } = { preferred: null, default: null }
  const switches = { 'auto-entries': true, 'auto-firmware': true }
  const problems: string[] = []
  forEachKeyValue(text, (key, quoted, line) => {
    const value = unquote(quoted)
    if (key === 'default' || key === 'preferred') {
      if (value.startsWith('@') && value.toLowerCase() !== '@saved')
        problems.push(`${path}:${line}: systemd-boot knows no ${key} '${value}' and passes over it; there is '@saved'.`)
      else patterns[key] = { value, line }
    } else if (key === 'auto-entries' || key === 'auto-firmware') {
      const on = booleans.get(value)
      if (on === undefined) problems.push(`${path}:${line}: ${key} is neither yes nor no: '${value}'.`)
      else switches[key] = on
    }
  })
  return {
    path,
    ...patterns,
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
