import { trimBlanks, unquote } from './blanks.ts'

/** `KEY=value` lines as systemd-boot reads them from a unified kernel image's .osrel and .profile; the last one counts. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  const end = text.indexOf('\0')
  for (const physical of (end < 0 ? text : text.slice(0, end)).split(/[\r\n]/)) {
    const line = trimBlanks(physical)
    const equals = line.indexOf('=')
    if (line.startsWith('#') || equals < 1 || equals === line.length - 1) continue
    values.set(line.slice(0, equals), unquote(line.slice(equals + 1).replace(/^=+/, '')))
  }
  return values
}

/** systemd-boot's name, sort key and version of an operating system: the most precise words first, os-release(5). */
export interface SystemName {
  readonly name: string
  readonly version: string | null
  readonly sortKey: string | null
}

/** Undefined for an os-release without a name: systemd-boot does not show such an image. */
export function systemName(release: ReadonlyMap<string, string>): SystemName | undefined {
  const first = (...keys: string[]) => keys.map((key) => release.get(key)).find((value) => value !== undefined) ?? null
  const name = first('PRETTY_NAME', 'IMAGE_ID', 'NAME', 'ID')
  if (name === null) return undefined
  return {
    name,
    version: first('IMAGE_VERSION', 'VERSION', 'VERSION_ID', 'BUILD_ID'),
    sortKey: first('IMAGE_ID', 'ID'),
  }
}
