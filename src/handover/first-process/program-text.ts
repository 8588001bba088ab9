import type { System } from '../../system/system.ts'

/** The largest init program that is read, in bytes: they have some ten thousand, a static busybox two million. */
const LARGEST = 8 * 1024 * 1024

/**
 * The bytes of an init program as text (latin1), for finding compiled-in paths and messages, which differ between
 * builds of one init system. The running program comes first, which only root may read.
 * @param paths its other possible places
 * @returns undefined where none can be read
 */
export function programText(system: System, paths: readonly string[]): string | undefined {
  for (const path of ['/proc/1/exe', ...paths]) {
    try {
      return system.readHead(path, LARGEST).toString('latin1')
    } catch {
      // Absent, or not readable for us.
    }
  }
  return undefined
}

/** The longest compiled-in path, in bytes (PATH_MAX). */
const LONGEST = 4096

/** The first absolute path in a program with this ending; undefined where there is none. */
export function pathEndingIn(text: string, ending: string): string | undefined {
  for (let at = text.indexOf(`${ending}\0`); at >= 0; at = text.indexOf(`${ending}\0`, at + 1)) {
    const before = text.slice(Math.max(0, at - LONGEST), at)
    const path = before.slice(before.lastIndexOf('\0') + 1) + ending
    if (/^(?:\/[\w.-]+)+$/.test(path)) return path
  }
  return undefined
}

/** Whether a program contains a C string, which ends with a NUL. */
export function holdsString(text: string, string: string): boolean {
  return text.includes(`${string}\0`)
}
