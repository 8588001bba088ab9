import type { System } from '../../system/system.ts'

/** Larger than any of systemd's state files, bytes. */
const MAX_FILE = 64 * 1024

/**
 * The assignments of one of systemd's state files under /run: KEY=VALUE, with `#` for comments and C escapes in values
 * that people gave. Empty when it cannot be read, or is not a regular file.
 */
export function readAssignments(system: System, path: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const stats = system.stat(path)
  if (!stats?.isFile() || stats.size > MAX_FILE) return found
  for (const line of (system.readText(path) ?? '').split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0 && !line.startsWith('#')) found.set(line.slice(0, equals), unescaped(line.slice(equals + 1)))
  }
  return found
}

/** systemd writes bytes that are not plain text as \x41, \n, \t, \" and \\ (string escapes of C). */
function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|.)/g, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return { n: '\n', t: '\t', s: ' ' }[code] ?? code
  })
}
