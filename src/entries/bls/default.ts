import { loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import { matchesGlob } from './glob.ts'
import type { GrubVariables } from './grub-variables.ts'
import type { LoaderConf, Setting } from './loader-conf.ts'
import type { LoaderEntry } from './loader-entry.ts'

export interface ChosenEntry {
  readonly entry: LoaderEntry
  /** To complete "the default, as …". */
  readonly reason: string
}

export interface DefaultEntry {
  readonly chosen: ChosenEntry | null
  readonly problems: readonly string[]
}

/**
 * What systemd-boot starts when nobody touches a key: what LoaderEntryOneShot names; what is preferred, unless it has no
 * tries left; what LoaderEntryDefault, then loader.conf names; else the first entry that is one of ours. A variable that
 * names no entry is passed over in silence: the kernel itself writes 'kexec reboot' into LoaderEntryOneShot.
 * @param shown the entries of the menu, in its order.
 * @param grub when nothing tells of systemd-boot but its entries: then they may be GRUB's, whose environment block says more.
 */
export function defaultEntry(
  shown: readonly LoaderEntry[],
  conf: LoaderConf | null,
  system: System,
  grub: GrubVariables | null,
): DefaultEntry {
  const problems: string[] = []
  const good = shown.filter(({ count }) => count?.left !== 0)
  const ways: (() => ChosenEntry | null)[] = [
    () => byVariable(shown, 'LoaderEntryOneShot', system),
    () => byVariable(good, 'LoaderEntryPreferred', system),
    () => bySetting(good, 'preferred', conf, system, problems),
    () => byVariable(shown, 'LoaderEntryDefault', system),
    () => bySetting(shown, 'default', conf, system, problems),
    () => byGrub(shown, grub),
    () => first(shown),
  ]
  for (const way of ways) {
    const chosen = way()
    if (chosen !== null) return { chosen, problems }
  }
  return { chosen: null, problems }
}

function byVariable(entries: readonly LoaderEntry[], variable: string, system: System): ChosenEntry | null {
  const pattern = loaderVariable(system, variable)
  if (pattern === undefined) return null
  if (isSaved(pattern)) return lastBooted(entries, `the EFI variable ${variable} asks for it`, system)
  const entry = entries.find(({ id }) => matchesGlob(pattern, id))
  return entry === undefined ? null : { entry, reason: `the EFI variable ${variable} names it` }
}

function bySetting(
  entries: readonly LoaderEntry[],
  key: 'default' | 'preferred',
  conf: LoaderConf | null,
  system: System,
  problems: string[],
): ChosenEntry | null {
  const setting: Setting | null = conf?.[key] ?? null
  if (conf === null || setting === null) return null
  const { value, line } = setting
  if (isSaved(value)) return lastBooted(entries, `${key} in ${conf.path} asks for it`, system)
  const entry = entries.find(({ id }) => matchesGlob(value, id))
  if (entry !== undefined) return { entry, reason: `${key} in ${conf.path} names it` }
  problems.push(`${conf.path}:${line}: ${key} '${value}' names no entry of the menu${advice(entries, value)}.`)
  return null
}

/** Old versions took the name without its end; bootctl(1) gives ids with it. */
function advice(entries: readonly LoaderEntry[], value: string): string {
  const meant = entries.find(({ id }) => matchesGlob(`${value}.conf`, id) || matchesGlob(`${value}.efi`, id))
  return meant === undefined ? '' : `; '${meant.id}' would`
}

function lastBooted(entries: readonly LoaderEntry[], wish: string, system: System): ChosenEntry | null {
  const saved = loaderVariable(system, 'LoaderEntryLastBooted')
  const entry = saved === undefined ? undefined : entries.find(({ id }) => matchesGlob(saved, id))
  return entry === undefined ? null : { entry, reason: `it was booted last (LoaderEntryLastBooted), and ${wish}` }
}

/** GRUB's blscfg names an entry by its file, without the end of the name. */
function byGrub(entries: readonly LoaderEntry[], grub: GrubVariables | null): ChosenEntry | null {
  for (const variable of ['next_entry', 'saved_entry']) {
    const saved = grub?.value(variable)
    const entry = entries.find(({ id }) => id === saved || id === `${saved}.conf`)
    if (entry !== undefined) return { entry, reason: `GRUB's ${variable} names it` }
  }
  return null
}

function isSaved(value: string): boolean {
  return value.toLowerCase() === '@saved'
}

function first(shown: readonly LoaderEntry[]): ChosenEntry | null {
  const entry = shown.find(({ isAutomatic }) => !isAutomatic)
  return entry === undefined ? null : { entry, reason: 'it is the first of the menu and nothing names another' }
}
