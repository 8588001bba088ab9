import { sameCommandLine } from '../../entries/merge.ts'
import type { TriedEntry } from '../../trial/model/trial.ts'
import type { Tried } from '../../trial/rollback.ts'
import type { Context } from '../context/context.ts'
import type { PlanOptions } from '../model/options.ts'

/** The entry that a trial tries; null where the kernel is not loaded by one. */
export function triedEntry({ target: { entry }, options }: Context, tried: Tried): TriedEntry | null {
  if (entry === null || entry.kernel === null) return null
  const { id, title, kernel, initrds, commandLine } = entry
  const isSameLine = sameCommandLine(commandLine ?? '', tried.commandLine)
  return { id, title, kernel, initrds, commandLine, changed: isSameLine ? changedBy(options) : 'command line' }
}

function changedBy({ initrds = [], noInitrd, overlay = [], deviceTree }: PlanOptions): TriedEntry['changed'] {
  if (noInitrd || initrds.length > 0 || overlay.length > 0) return 'initrd'
  return deviceTree === undefined ? null : 'device tree'
}
