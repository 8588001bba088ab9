import { readFileSync } from 'node:fs'

/**
 * The version of this package, or null when its package.json cannot be read. Like src/native.ts, one directory below
 * the package.
 */
export function packageVersion(): string | null {
  try {
    const about: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    const version = typeof about === 'object' && about !== null && 'version' in about ? about.version : null
    return typeof version === 'string' ? version : null
  } catch {
    return null
  }
}
