import type { System } from '../../system/system.ts'

/** The largest init program that is looked into, bytes: they have some ten thousand, a static busybox two million. */
const LARGEST = 8 * 1024 * 1024

/**
 * The bytes of an init program as text (latin1), in which the paths and messages that were compiled into it can be found:
 * builds of one init system differ in them. The program that runs comes first, which only root may read.
 * @param paths where it lies otherwise
 * @returns undefined where none can be read
 */
export function programText(system: System, paths: readonly string[]): string | undefined {
  for (const path of ['/proc/1/exe', ...paths]) {
    try {
      return system.readHead(path, LARGEST).toString('latin1')
    } catch {
      // Not there, or not for us to read.
    }
  }
  return undefined
}

/** Longest path that is compiled into anything, bytes (PATH_MAX). */
const LONGEST = 4096

/** The first absolute path that is compiled into a program and ends so; undefined where there is none. */
export function pathEndingIn(text: string, ending: string): string | undefined {
  for (let at = text.indexOf(`${ending}\0`); at >= 0; at = text.indexOf(`${ending}\0`, at + 1)) {
    const before = text.slice(Math.max(0, at - LONGEST), at)
    const path = before.slice(before.lastIndexOf('\0') + 1) + ending
    if (/^(?:\/[\w.-]+)+$/.test(path)) return path
  }
  return undefined
}

/** Whether a string of C is in a program: it ends with a NUL. */
export function holdsString(text: string, string: string): boolean {
  return text.includes(`${string}\0`)
}
