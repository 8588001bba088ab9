import { posix } from 'node:path'
import type { FoundEntry, Menu, Preset } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import { filesAt } from '../paths/loader-path.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { grubLegacyEntry } from './entry.ts'
import { type MenuList, parseMenuList, setting } from './menu-list.ts'

/**
 * Where GRUB 0.97 and its EFI build have their menu. menu.lst and grub.conf are mostly one file with two names; on
 * /boot as a file system of its own, /boot/boot leads back to it.
 */
const paths = [
  '/boot/grub/menu.lst',
  '/boot/grub/grub.conf',
  '/grub/menu.lst',
  '/grub/grub.conf',
  '/boot/boot/grub/menu.lst',
  '/boot/boot/grub/grub.conf',
  ...['/boot/efi/EFI', '/efi/EFI', '/boot/EFI', '/EFI'].flatMap((directory) =>
    ['redhat', 'fedora', 'SuSE'].map((vendor) => `${directory}/${vendor}/grub.conf`),
  ),
  '/etc/grub.conf',
]

/** GRUB legacy (0.97). The id of an entry is its title. */
export const grubLegacy: EntrySource = {
  name: 'grub-legacy',
  find: (survey) => filesAt(paths, survey).flatMap((config) => readMenu(config, survey)),
}

function readMenu(config: string, survey: Survey): Menu[] {
  const text = survey.readText(config)
  if (text === undefined)
    return [{ ...emptyMenu(config), problems: problemsOf('configuration-unreadable', [`${config} cannot be read.`]) }]
  const list = parseMenuList(text)
  // Without a title GRUB runs the commands in sequence; a grub.cfg of GRUB 2 has neither.
  const titled =
    list.entries.length > 0 || !list.settings.some(({ name }) => name === 'kernel')
      ? list.entries
      : [{ title: posix.basename(config), line: 1, commands: list.settings }]
  const entries = survey.budget.entriesOf(titled, (commands) => grubLegacyEntry(commands, config, survey))
  const problems = problemsOf(
    'left-out',
    list.problems.map((problem) => `${config}: ${problem}`),
  )
  if (entries.length === 0 && problems.length === 0) return []
  const waits = titled === list.entries ? waitOf(list, config) : undefined
  return [{ ...emptyMenu(config), entries, preset: presetOf(list, entries, config, survey), waits, problems }]
}

/** A menu without a timeout has no end (the manual of GRUB legacy, "timeout"). */
function waitOf(list: MenuList, config: string): string | undefined {
  const timeout = setting(list, 'timeout')
  if (timeout === undefined) return `${config} sets no timeout, so GRUB waits for a key`
  return numberOf(timeout) === undefined ? `timeout is '${timeout}' in ${config}, so GRUB waits for a key` : undefined
}

function emptyMenu(config: string): Menu {
  return { source: 'grub-legacy', config, entries: [], preset: null, problems: [] }
}

/** `default N`, or `saved`; past the end GRUB takes the first of `fallback`, else entry 0. */
function presetOf(list: MenuList, entries: readonly FoundEntry[], config: string, survey: Survey): Preset | null {
  const value = setting(list, 'default')
  if (entries[0] === undefined) return null
  if (value === undefined) return { entry: entries[0], reason: `${config} has no default: the first entry` }
  const saved = value === 'saved' ? savedNumber(config, survey) : undefined
  const number = value === 'saved' ? (saved?.number ?? 0) : numberOf(value)
  const entry = number === undefined ? undefined : entries[number]
  if (entry !== undefined) return { entry, reason: saved?.reason ?? `default ${value} in ${config} names it` }
  const fallback = entries[numberOf(setting(list, 'fallback') ?? '') ?? -1]
  if (fallback !== undefined) return { entry: fallback, reason: `default ${value} names none and it is the fallback` }
  return { entry: entries[0], reason: `default ${value} in ${config} names none: the first entry` }
}

/** `savedefault` and grub-set-default keep the number in the file `default` beside the menu. */
function savedNumber(config: string, survey: Survey): { number: number; reason: string } {
  const directory = posix.dirname(survey.resolve(config) ?? config)
  const path = posix.join(directory, 'default')
  const number = numberOf(survey.readText(path)?.slice(0, 64) ?? '')
  return number === undefined
    ? { number: 0, reason: `default is saved in ${config}, and ${path} has no number: the first entry` }
    : { number, reason: `${path} has its number, ${number}` }
}

function numberOf(text: string): number | undefined {
  const digits = /^\s*(\d{1,9})/.exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
