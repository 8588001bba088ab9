import { loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import type { BootProblem } from '../model/problem.ts'
import { matchesGlob } from '../names/glob.ts'
import { isSpare } from '../names/spare.ts'
import { rootParameters } from '../paths/root-parameters.ts'
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
  /** Why the default is unknown, one sentence without its full stop; null where it is known. */
  readonly undecided: string | null
  readonly problems: readonly BootProblem[]
}

/**
 * The entry that systemd-boot starts when nobody touches a key: the one in LoaderEntryOneShot; the preferred one,
 * unless it has no tries left; the one in LoaderEntryDefault, then in loader.conf; else the first entry for this
 * system. A variable that names no entry is skipped silently: the kernel itself writes 'kexec reboot' into
 * LoaderEntryOneShot.
 * @param shown the entries of the menu, in its order.
 * @param grub when the entries are the only sign of systemd-boot: they may then be GRUB's, whose environment block says
 *   more.
 */
export function defaultEntry(
  shown: readonly LoaderEntry[],
  conf: LoaderConf | null,
  system: System,
  grub: GrubVariables | null,
): DefaultEntry {
  const problems: BootProblem[] = []
  const release = bootRelease(system)
  const choice: Choice = { conf, system, matches: matcherFor(release), problems }
  const good = shown.filter(({ count }) => count?.left !== 0)
  const ways: (() => ChosenEntry | null)[] = [
    () => byVariable(shown, 'LoaderEntryOneShot', choice),
    () => byVariable(good, 'LoaderEntryPreferred', choice),
    () => bySetting(good, 'preferred', choice),
    () => byVariable(shown, 'LoaderEntryDefault', choice),
    () => bySetting(shown, 'default', choice),
    () => byGrub(shown, grub),
  ]
  for (const way of ways) {
    const chosen = way()
    if (chosen !== null) return { chosen, undecided: null, problems }
  }
  return { ...fallen(shown, choice, release), problems }
}

/** The inputs of all ways to a default. */
interface Choice {
  readonly conf: LoaderConf | null
  readonly system: System
  readonly matches: (pattern: string, entry: LoaderEntry) => boolean
  readonly problems: BootProblem[]
}

/** Of the systemd-boot that ran last. */
interface BootRelease {
  readonly number: number
  /** Pop!_OS has one that also takes ids without their suffix. */
  readonly isPop: boolean
}

/** Null when unknown. */
export function bootRelease(system: System): BootRelease | null {
  const info = loaderVariable(system, 'LoaderInfo') ?? ''
  const number = /^systemd-boot (\d{1,4})/.exec(info)?.[1]
  return number === undefined ? null : { number: Number(number), isPop: /pop/i.test(info) }
}

/** From this release on, ids end in `.conf`. */
const FULL_IDS = 245

function matcherFor(release: BootRelease | null): Choice['matches'] {
  if (release !== null && release.number < FULL_IDS) return (pattern, { id }) => matchesGlob(pattern, bare(id))
  if (release?.isPop) return (pattern, { id }) => matchesGlob(pattern, id) || matchesGlob(pattern, bare(id))
  return (pattern, { id }) => matchesGlob(pattern, id)
}

function bare(id: string): string {
  return id.replace(/\.(?:conf|efi)$/i, '')
}

/**
 * Where nothing names an entry of the menu: the first. If the release of systemd-boot is unknown, it may be an older
 * one or Pop!_OS's, which take `default NAME` without the file's suffix; and a guess must not start an entry for
 * repairs.
 */
function fallen(shown: readonly LoaderEntry[], { conf, system }: Choice, release: BootRelease | null) {
  const chosen = first(shown)
  const wanted = wantedDefault(conf, system)
  if (wanted === null || release !== null) return { chosen, undecided: null }
  const { value, where } = wanted
  const meant = shown.find(({ id }) => matchesGlob(value, bare(id)))
  if (meant !== undefined)
    return { chosen: { entry: meant, reason: `${where} names it without .conf` }, undecided: null }
  if (chosen === null || !isForRepairs(chosen.entry)) return { chosen, undecided: null }
  const what = `'${value}' of ${where} names no entry, and the first of the menu, ${chosen.entry.id}, is for repairs`
  return { chosen: null, undecided: what }
}

/** The sources of the permanent default, the surest first. */
function wantedDefault(conf: LoaderConf | null, system: System): { value: string; where: string } | null {
  const variable = loaderVariable(system, 'LoaderEntryDefault')
  const setting = conf?.default ?? null
  if (variable !== undefined && !isSaved(variable))
    return { value: variable, where: 'the EFI variable LoaderEntryDefault' }
  if (conf === null || setting === null || isSaved(setting.value)) return null
  return { value: setting.value, where: `default in ${conf.path}` }
}

/** A recovery system's entry, by its command line or its name. */
function isForRepairs({ id, title, found }: LoaderEntry): boolean {
  const isLive = rootParameters(found.commandLine ?? '').live !== null
  return isLive || isSpare(found) || /(?:recovery|rescue)/i.test(`${id} ${title ?? ''}`)
}

function byVariable(entries: readonly LoaderEntry[], variable: string, choice: Choice): ChosenEntry | null {
  const { system, matches, problems } = choice
  const pattern = loaderVariable(system, variable)
  if (pattern === undefined) return null
  if (isSaved(pattern)) return lastBooted(entries, `the EFI variable ${variable} asks for it`, choice)
  const entry = entries.find((each) => matches(pattern, each))
  if (entry !== undefined) return { entry, reason: `the EFI variable ${variable} names it` }
  // The kernel writes 'kexec reboot' into LoaderEntryOneShot by itself.
  if (variable === 'LoaderEntryDefault')
    problems.push({
      code: 'unknown-default',
      text: `The EFI variable ${variable} is '${pattern}', which names no entry of the menu${advice(entries, pattern)}.`,
    })
  return null
}

function bySetting(entries: readonly LoaderEntry[], key: 'default' | 'preferred', choice: Choice): ChosenEntry | null {
  const { conf, matches, problems } = choice
  const setting: Setting | null = conf?.[key] ?? null
  if (conf === null || setting === null) return null
  const { value, line } = setting
  if (isSaved(value)) return lastBooted(entries, `${key} in ${conf.path} asks for it`, choice)
  const entry = entries.find((each) => matches(value, each))
  if (entry !== undefined) return { entry, reason: `${key} in ${conf.path} names it` }
  problems.push({
    code: 'unknown-default',
    text: `${conf.path}:${line}: ${key} '${value}' names no entry of the menu${advice(entries, value)}.`,
  })
  return null
}

/** Old versions took the name without its suffix; bootctl(1) gives ids with it. */
function advice(entries: readonly LoaderEntry[], value: string): string {
  const meant = entries.find(({ id }) => matchesGlob(`${value}.conf`, id) || matchesGlob(`${value}.efi`, id))
  return meant === undefined ? '' : `; '${meant.id}' would`
}

function lastBooted(entries: readonly LoaderEntry[], wish: string, { system, matches }: Choice): ChosenEntry | null {
  const saved = loaderVariable(system, 'LoaderEntryLastBooted')
  const entry = saved === undefined ? undefined : entries.find((each) => matches(saved, each))
  return entry === undefined ? null : { entry, reason: `it was booted last (LoaderEntryLastBooted), and ${wish}` }
}

/** GRUB's blscfg names an entry by its file, without the suffix. */
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
