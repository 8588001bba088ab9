import { dirname } from 'node:path'
import { KexecError } from '../errors.ts'
import { editFile } from '../system/edit-file.ts'
import { removeFile, replaceFile, replaceLink } from '../system/replace-file.ts'
import type { System } from '../system/system.ts'
import type { HookChange } from './hook-plan.ts'
import { makeDirectories, removeDirectories } from './made-directories.ts'

/**
 * Makes announced changes, one file after the other, each in one step.
 * @returns the changes @throws KexecError 'io' when a file cannot be written or removed
 */
export function applyChanges(system: System, changes: readonly HookChange[], dryRun: boolean): readonly HookChange[] {
  if (dryRun || changes.length === 0) return changes
  const made = changes.filter(({ old }) => old === null).map(({ path }) => path)
  attempt(dirname(made[0] ?? ''), () => makeDirectories(system, made))
  for (const change of changes) makeChange(system, change)
  if (changes.some(({ new: text }) => text === null)) attempt('/etc/linux-kexec', () => removeDirectories(system))
  return changes
}

function makeChange(system: System, change: HookChange): void {
  attempt(change.path, () => {
    // The lines go into the file itself where its name is a link.
    const isLink = change.kind === 'lines' && system.readLink(change.path) !== undefined
    const path = system.pathForWriting(isLink ? system.resolve(change.path) : change.path)
    if (change.new === null) removeFile(path)
    else if (change.kind === 'link') replaceLink(path, change.new)
    else writeChange(system, change, path, change.new)
  })
}

function attempt(path: string, act: () => void): void {
  try {
    act()
  } catch (cause) {
    if (cause instanceof KexecError) throw cause
    const { code = 'EIO', message } = cause as NodeJS.ErrnoException
    throw new KexecError(`${path} could not be changed (${code})`, {
      reason: 'io',
      code,
      path,
      hint: code === 'EACCES' || code === 'EPERM' ? 'Run it as root.' : message,
      cause,
    })
  }
}

function writeChange(system: System, { path, kind, mode, old }: HookChange, target: string, text: string): void {
  const content = Buffer.from(text, 'latin1')
  if (kind === 'lines' && old !== null) {
    editFile(target, content)
  } else {
    const stats = old === null ? undefined : system.stat(path)
    const owner = stats === undefined ? {} : { owner: { uid: stats.uid, gid: stats.gid } }
    replaceFile(target, content, { mode: mode ?? 0o644, ...owner })
  }
  // A disk or a file system that stores other data than it was given.
  if (system.readBytes(path) !== text)
    throw Object.assign(new Error('The file does not have the written text.'), { code: 'EIO' })
}
