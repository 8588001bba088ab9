import { KexecError } from '../errors.ts'
import { nearest } from '../text.ts'
import type { BootEntry } from './model/entry.ts'
import { isSpare } from './names/spare.ts'

/** The most entries that an error lists before it only counts the rest. */
const MOST_LISTED = 12

/**
 * The entry that a selector means, out of a list as `discover` gives it. A selector is `newest`, `default`, `running`,
 * `N` or `#N` (the Nth of the list, from 1), an id, an id with `@N` for profile N of a unified kernel image, a title, a
 * kernel version, or the start of one up to a separator (6.12 means 6.12.107+deb12-amd64 but not 6.1.0). Without one:
 * the boot loader's default if it named one, else the newest. An entry in a submenu may be named with it, `Advanced
 * options>Linux 6.1`. Of several entries of one version, a rescue kernel, a recovery mode and a kernel replaced by
 * `make install` are only taken by id, title or number. An entry with problems is returned like any other; the plan
 * decides whether it can be loaded.
 * @throws KexecError 'no-such-entry' or 'ambiguous-entry' (refused), with the candidates in its hint.
 */
export function selectEntry(entries: readonly BootEntry[], selector?: string): BootEntry {
  if (entries.length === 0)
    throw new KexecError('nothing to boot was found', {
      reason: 'no-such-entry',
      hint: 'Check that /boot and /usr/lib/modules are mounted and readable, or name a kernel file.',
      refused: true,
    })
  const preset = entries.find(({ isDefault }) => isDefault)
  switch (selector) {
    case undefined:
      return preset ?? newestOf(entries)
    case 'newest':
      return newestOf(entries)
    case 'default':
      return preset ?? refuse('no boot loader names a default entry', 'Select `newest`, or one of:', entries)
    case 'running':
      return (
        entries.find(({ isRunning }) => isRunning) ??
        refuse('none of the entries is the running kernel', 'Select one of:', entries)
      )
  }
  return (
    byNumber(entries, selector) ?? byName(entries, selector) ?? byVersion(entries, selector) ?? miss(entries, selector)
  )
}

function newestOf(entries: readonly BootEntry[]): BootEntry {
  const newest = entries.find(({ isNewest }) => isNewest)
  if (newest !== undefined) return newest
  const [first] = entries.flatMap(({ id, passedOver }) => (passedOver === null ? [] : [`${id} starts ${passedOver}`]))
  const why = first === undefined ? '' : `: ${first}`
  return refuse(`no entry starts the system that runs${why}`, 'Select one of:', entries)
}

/**
 * By `#N`. N alone works too, because `#` begins a comment in a shell. An entry that is called N and is not the Nth
 * makes it ambiguous.
 */
function byNumber(entries: readonly BootEntry[], selector: string): BootEntry | undefined {
  const [, mark, digits] = /^(#?)(\d{1,9})$/.exec(selector) ?? []
  if (digits === undefined) return undefined
  const numbered = entries[Number(digits) - 1]
  const called = mark === '#' ? [] : entries.filter((entry) => isCalled(entry, selector))
  const meant = [...new Set([...(numbered === undefined ? [] : [numbered]), ...called])]
  const [first, ...others] = meant
  if (first === undefined)
    return refuse(
      `there is no entry ${selector}: there ${entries.length === 1 ? 'is 1' : `are ${entries.length}`}`,
      'Select one of:',
      entries,
    )
  return others.length === 0 ? first : ambiguous(entries, meant, selector)
}

function isCalled({ id, title, version }: BootEntry, name: string): boolean {
  return id === name || id === `${name}.conf` || id === `${name}.efi` || title === name || version === name
}

/**
 * Whether a selector is the id or title of one or several entries: a title may look like a path, 'Debian GNU/Linux'.
 */
export function isName(entries: readonly BootEntry[], selector: string): boolean {
  try {
    return byName(entries, selector) !== undefined
  } catch {
    return true
  }
}

/** By id, by title, or as GRUB's saved_entry names entries of a submenu: `Advanced options>Linux 6.1`. */
function byName(entries: readonly BootEntry[], selector: string): BootEntry | undefined {
  const withId =
    entries.find(({ id }) => id === selector) ??
    entries.find(({ id }) => id === `${selector}.conf` || id === `${selector}.efi`)
  if (withId !== undefined) return withId
  const profile = byProfile(entries, selector)
  if (profile !== undefined) return profile
  const named = entries.filter(
    ({ title, submenus }) => title === selector || pathOf(submenus, title) === selector.replace(/\s*>\s*/g, '>'),
  )
  if (named.length > 0 || !selector.includes('>')) return only(entries, named, selector)
  const last = selector.slice(selector.lastIndexOf('>') + 1).trim()
  return entries.find(({ id, submenus }) => id === last && submenus.length > 0)
}

/** By `id@N`, for any name that the image has given its profile N. An id that really ends so has been found before. */
function byProfile(entries: readonly BootEntry[], selector: string): BootEntry | undefined {
  const [, id, digits] = /^(.+)@(\d{1,4})$/.exec(selector) ?? []
  const first = entries.find((entry) => entry.id === id || entry.id === `${id}.efi`)
  if (first === undefined || first.source !== 'uki') return undefined
  const wanted = Number(digits)
  return entries.find(
    ({ source, kernel, profile }) => source === 'uki' && kernel === first.kernel && (profile ?? 0) === wanted,
  )
}

/** The form that names an entry of a submenu, however its parts are spaced. */
function pathOf(submenus: readonly string[], title: string): string {
  return [...submenus, title].join('>')
}

function byVersion(entries: readonly BootEntry[], selector: string): BootEntry | undefined {
  const exact = entries.filter(({ version }) => version === selector)
  if (exact.length > 0) return only(entries, exact, selector)
  return only(
    entries,
    entries.filter(({ version }) => version !== null && startsVersion(version, selector)),
    selector,
  )
}

/** Whether a version starts with the selector up to a separator: 6.1 starts 6.1.0, but not 6.12. */
function startsVersion(version: string, start: string): boolean {
  if (!/^\d+\.\d/.test(start) || !version.startsWith(start)) return false
  return /[^a-zA-Z0-9]/.test(version.charAt(start.length)) || /[^a-zA-Z0-9]$/.test(start)
}

/**
 * The only one of several entries that is not a spare or another system's, or the first when they boot the same;
 * undefined when there are none.
 */
function only(entries: readonly BootEntry[], matches: readonly BootEntry[], selector: string): BootEntry | undefined {
  const proper = matches.filter((entry) => !isSpare(entry))
  const own = proper.filter(({ passedOver }) => passedOver === null)
  const choice = [own, proper].find(({ length }) => length > 0) ?? matches
  const [first, ...others] = choice
  if (first === undefined || others.every((other) => bootsTheSame(first, other))) return first
  return ambiguous(entries, choice, selector)
}

function ambiguous(entries: readonly BootEntry[], choice: readonly BootEntry[], selector: string): never {
  const candidates = choice.map((entry) => `'#${entries.indexOf(entry) + 1}' ${entry.id}`)
  throw new KexecError(`'${selector}' matches ${choice.length} entries`, {
    reason: 'ambiguous-entry',
    hint: `Select one of them by its number or id: ${listed(candidates)}.`,
    refused: true,
  })
}

/** GRUB lists the newest kernel at the top, and again among its advanced options. */
function bootsTheSame(one: BootEntry, other: BootEntry): boolean {
  return (
    one.kernel === other.kernel &&
    one.profile === other.profile &&
    one.commandLine === other.commandLine &&
    one.initrds.join('\0') === other.initrds.join('\0')
  )
}

function miss(entries: readonly BootEntry[], selector: string): never {
  const words = entries.flatMap(({ id, title, version }) => [id, title, ...(version === null ? [] : [version])])
  const meant = nearest(selector, ['newest', 'default', 'running', ...words])
  const question = meant === undefined ? '' : `Did you mean '${meant}'? `
  return refuse(`there is no boot entry '${selector}'`, `${question}The entries are:`, entries)
}

function refuse(summary: string, hint: string, entries: readonly BootEntry[]): never {
  const ids = listed(entries.map(({ id }) => id))
  throw new KexecError(summary, { reason: 'no-such-entry', hint: `${hint} ${ids}.`, refused: true })
}

export function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED
  return more > 0 ? `${names.slice(0, MOST_LISTED).join(', ')} and ${more} more` : names.join(', ')
}
