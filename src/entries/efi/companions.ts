import { posix } from 'node:path'
import { NotAFile, type System } from '../../system/system.ts'
import { splitBootCount } from './boot-counting.ts'

/** More files in a folder than any image has companions. */
const MAX_COMPANIONS = 256

/** What Linux allows in a file's name; systemd-stub leaves longer ones, and all that are not ASCII, alone. */
const companionName = /^[!-~ ]{1,255}$/

/**
 * Files of a folder that systemd-stub picks up, in its order, which is that of the characters' codes. Folders and hidden files
 * are none of them.
 * @param isWanted told of a name in lower case
 */
export function companionFiles(system: System, folder: string, isWanted: (name: string) => boolean): string[] {
  return system
    .list(folder)
    .filter((name) => companionName.test(name) && !name.startsWith('.') && isWanted(name.toLowerCase()))
    .slice(0, MAX_COMPANIONS)
    .map((name) => posix.join(folder, name))
    .filter((path) => system.stat(path)?.isDirectory() !== true)
}

/** The folders beside an image in which its companions may lie: named as the file, or as it is without its boot count. */
export function companionFolders(image: string): string[] {
  const { dir, base } = posix.parse(image)
  return [...new Set([base, splitBootCount(base).id])].map((name) => posix.join(dir, `${name}.extra.d`))
}

/** A descriptor, or why there is none, to complete a sentence that begins with the path. The caller closes it. */
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
