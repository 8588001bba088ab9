import { KexecError } from '../errors.ts'
import { removeFile, replaceFile, replaceLink } from '../system/replace-file.ts'
import type { System } from '../system/system.ts'
import type { HookChange } from './hook-plan.ts'

/**
 * Makes changes that were told before, one file after the other, each in one step.
 * @returns the changes @throws KexecError 'io' when a file cannot be written or removed
 */
export function applyChanges(system: System, changes: readonly HookChange[], dryRun: boolean): readonly HookChange[] {
  if (!dryRun) for (const change of changes) makeChange(system, change)
  return changes
}

function makeChange(system: System, change: HookChange): void {
  try {
    // The lines go into the file itself where its name is a link.
    const isLink = change.kind === 'lines' && system.readLink(change.path) !== undefined
    const path = system.pathForWriting(isLink ? system.resolve(change.path) : change.path)
    if (change.new === null) removeFile(path)
    else if (change.kind === 'link') replaceLink(path, change.new)
    else writeChange(system, change, path, change.new)
  } catch (cause) {
    const { code = 'EIO', message } = cause as NodeJS.ErrnoException
    throw new KexecError(`${change.path} could not be changed (${code})`, {
      reason: 'io',
      code,
      path: change.path,
      hint: code === 'EACCES' || code === 'EPERM' ? 'Run this as root.' : message,
      cause,
    })
  }
}

function writeChange(system: System, { path, mode, old }: HookChange, target: string, text: string): void {
  const stats = old === null ? undefined : system.stat(path)
  const owner = stats === undefined ? {} : { owner: { uid: stats.uid, gid: stats.gid } }
  replaceFile(target, Buffer.from(text, 'latin1'), { mode: mode ?? 0o644, ...owner })
}
