import { closeSync, constants, openSync } from 'node:fs'
import { KexecError } from '../../errors.ts'
import { native } from '../../native.ts'
import type { System } from '../../system/system.ts'
import type { LoaderChange, LoaderSetting } from '../model/loader-change.ts'
import { efiVariableFile } from './efi-variable-file.ts'
import { environmentFile } from './environment-file.ts'
import type { SettingFile } from './setting-file.ts'
import { extlinuxFile, loaderConfFile } from './setting-lines.ts'

/** Larger than any configuration that names its default, bytes. */
const MAX_FILE = 4 * 1024 * 1024

const files: Readonly<Record<LoaderSetting, SettingFile>> = {
  saved_entry: environmentFile,
  next_entry: environmentFile,
  DEFAULT: extlinuxFile,
  ONTIMEOUT: extlinuxFile,
  default: loaderConfFile,
  LoaderEntryDefault: efiVariableFile,
}

/** A file with settings. @throws Node's error */
export function readSettings(system: System, path: string): Buffer {
  return system.readHead(path, MAX_FILE)
}

/** The value of a setting in a file's content; null when it is not set. */
export function valueIn(content: Buffer, setting: LoaderSetting): string | null {
  return files[setting].valueIn(content, setting)
}

/** A file's content with another value of a setting; in words why that cannot be, when it cannot. */
export function withValue(content: Buffer, setting: LoaderSetting, value: string | null): Buffer | string {
  return files[setting].withValue(content, setting, value)
}

/** Whether a change still stands: the setting has the value that it was given, and had another before. */
export function isChangeSet(system: System, { path, variable, value, before }: LoaderChange): boolean {
  try {
    return value !== before && valueIn(readSettings(system, path), variable) === value
  } catch {
    return false
  }
}

/** Makes a change. @throws KexecError 'io'; nothing is changed then, as far as it can be written */
export function makeChange(system: System, { path, variable, value }: LoaderChange): void {
  writeSetting(system, path, variable, value)
}

/**
 * Takes a change back, unless another program, or the boot loader itself, has changed the setting since.
 * @returns whether there was something to take back @throws KexecError 'io'
 */
export function undoChange(system: System, change: LoaderChange): boolean {
  if (!isChangeSet(system, change)) return false
  writeSetting(system, change.path, change.variable, change.before)
  return true
}

function writeSetting(system: System, path: string, setting: LoaderSetting, value: string | null): void {
  const file = files[setting]
  const host = system.pathForWriting(path)
  try {
    const former = readSettings(system, path)
    const content = file.withValue(former, setting, value)
    if (typeof content === 'string') throw new Error(content)
    file.write(host, content, former)
    emptyJournal(host)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new KexecError(`${file.what} cannot be changed: ${why}`, {
      reason: 'io',
      path,
      hint: file.look(path),
      cause: error,
    })
  }
}

/**
 * Boot loaders do not replay a journal, nor the log that btrfs keeps until its next commit, which syncfs(2) makes (btrfs_sync_fs()
 * of fs/btrfs/super.c): without this, one that starts after a hard reset would read the former file, although the new one is
 * safe. Where it cannot be done (XFS, ext4 before Linux 5.14, no rights), the file system writes it out in its own time, at
 * the latest when it is unmounted.
 */
function emptyJournal(host: string): void {
  let fd: number | undefined
  try {
    fd = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW)
    native().flushJournal(fd)
  } catch {
    // As above.
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
