import type { BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { KexecError } from '../../errors.ts'
import type { TrialRecord } from '../model/trial.ts'

/**
 * The entry that was tried, in the menu as it is now. It may have another id by now, as the labels of u-boot-menu count
 * kernels; it must start the same kernel in the same way.
 * @throws KexecError 'default-unchanged' (refused) when no entry, or not all of one, was tried
 */
export function findTried({ entries }: BootMenu, { id, target }: TrialRecord): BootEntry {
  const { entry: tried = null, kernel } = target
  if (tried === null)
    throw refused(`no boot entry was tried: ${kernel} was loaded from a file`, 'Load it by its entry: linux-kexec list')
  const { title, changed } = tried
  if (changed !== null)
    throw refused(
      `'${title}' was tried with another ${changed} than the entry has`,
      `Put the ${changed} into the entry, and try it again without options for it.`,
    )
  const same = entries.filter((entry) => startsTheSame(entry, tried))
  const found = same.find((entry) => entry.id === tried.id) ?? (same.length === 1 ? same[0] : undefined)
  if (found !== undefined) return found
  const isThere = entries.some((entry) => entry.id === tried.id)
  throw refused(
    isThere
      ? `the entry '${title}' starts something else than trial ${id} tried`
      : `the entry '${title}' of trial ${id} is gone`,
    'Choose the default in the boot loader yourself: linux-kexec list',
  )
}

/** Whether an entry starts the same kernel in the same way: GRUB lists the newest at the top, and again in a submenu. */
export function startsTheSame(
  { kernel, initrds, commandLine }: BootEntry,
  tried: Pick<BootEntry, 'kernel' | 'initrds' | 'commandLine'>,
): boolean {
  return (
    kernel === tried.kernel &&
    commandLine === tried.commandLine &&
    initrds.length === tried.initrds.length &&
    initrds.every((path, index) => path === tried.initrds[index])
  )
}

function refused(summary: string, hint: string): KexecError {
  return new KexecError(summary, { reason: 'default-unchanged', hint, refused: true })
}
