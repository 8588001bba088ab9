import { posix } from 'node:path'
import { NotAFile, type System } from '../../system/system.ts'
import { splitBootCount } from './boot-counting.ts'

/** More files in a directory than any image has companions. */
const MAX_COMPANIONS = 256

/** Linux's limit for a file's name; systemd-stub ignores longer names and names that are not ASCII. */
const companionName = /^[!-~ ]{1,255}$/

/**
 * Files of a directory that systemd-stub picks up, in its order, which is that of the character codes. Directories and
 * hidden files are left out.
 * @param isWanted called with a name in lower case
 */
export function companionFiles(system: System, directory: string, isWanted: (name: string) => boolean): string[] {
  return system
    .list(directory)
    .filter((name) => companionName.test(name) && !name.startsWith('.') && isWanted(name.toLowerCase()))
    .slice(0, MAX_COMPANIONS)
    .map((name) => posix.join(directory, name))
    .filter((path) => system.stat(path)?.isDirectory() !== true)
}

/**
 * The directories beside an image that may hold its companions: named like the file, with or without its boot count.
 */
export function companionDirectories(image: string): string[] {
  const { dir, base } = posix.parse(image)
  return [...new Set([base, splitBootCount(base).id])].map((name) => posix.join(dir, `${name}.extra.d`))
}

/** A descriptor, or the fault, to complete a sentence that begins with the path. The caller closes it. */
export function openRegular(system: System, path: string): number | string {
  try {
    return system.open(path)
  } catch (error) {
    return error instanceof NotAFile ? `is a ${error.kind}, not a file` : unreadable(error)
  }
}

/** To complete a sentence that begins with a path. */
export function unreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return `cannot be read (${code ?? message})`
}
