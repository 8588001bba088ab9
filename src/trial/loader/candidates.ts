import { posix } from 'node:path'
import type { BootLoader, BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry, BootSource } from '../../entries/model/entry.ts'
import { loaderVariablePath } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import type { LoaderChange, LoaderSetting } from '../model/loader-change.ts'
import { readSettings, valueIn, withValue } from './change.ts'

/** A change that may make the boot loader boot an entry, with the file's content then. */
export interface Candidate {
  readonly change: LoaderChange
  readonly content: Buffer
}

/** The changes to try, the best first; and why there is none, where none of them leads to the entry. */
export interface Candidates {
  readonly list: readonly Candidate[]
  readonly none: string
}

/** The wanted entry, in the boot loader's menu. */
export interface Wanted {
  readonly menu: BootMenu
  readonly loader: BootLoader
  readonly entry: BootEntry
  /** Whether it is to be booted until another is chosen: settings for one boot do not count then. */
  readonly isLasting: boolean
}

type Finder = (system: System, wanted: Wanted) => Candidates

/** Boot loaders whose default linux-kexec can change. */
const finders: Partial<Readonly<Record<BootSource, Finder>>> = {
  grub: inEnvironmentBlocks,
  extlinux: inExtlinux,
  bls: inSystemdBoot,
}

/** The boot loaders whose default linux-kexec can change, for messages. */
export const CHANGED_LOADERS = 'GRUB, extlinux and systemd-boot'

/** The changes of a boot loader's files that may make it boot an entry; undefined for a boot loader that is not known. */
export function candidatesFor(system: System, wanted: Wanted): Candidates | undefined {
  return finders[wanted.loader.source]?.(system, wanted)
}

/** Where GRUB keeps its environment block, besides the directory of its configuration. */
const DIRECTORIES = ['/boot/grub', '/boot/grub2', '/grub', '/grub2']

/** The environment blocks of a GRUB that are there, each once. */
export function environmentBlocks(system: System, { config }: BootLoader): { path: string; content: Buffer }[] {
  const paths = [posix.dirname(config), ...DIRECTORIES].map((directory) => posix.join(directory, 'grubenv'))
  const found = new Map<string, Buffer>()
  for (const path of paths) {
    const file = fileAt(system, path)
    if (file !== undefined) found.set(file.path, file.content)
  }
  return [...found].map(([path, content]) => ({ path, content }))
}

/** The file behind a path, if it is there. */
function fileAt(system: System, path: string): { path: string; content: Buffer } | undefined {
  try {
    const resolved = system.resolve(path)
    return { path: resolved, content: readSettings(system, resolved) }
  } catch {
    return undefined
  }
}

/**
 * The variables that a configuration may choose its default by. `saved_entry` stays: it is better than `next_entry`, which
 * GRUB removes at the first boot, so that a second reset would start the kernel on trial.
 */
function inEnvironmentBlocks(system: System, { menu, loader, entry, isLasting }: Wanted): Candidates {
  const variables = isLasting ? (['saved_entry'] as const) : (['saved_entry', 'next_entry'] as const)
  const blocks = environmentBlocks(system, loader)
  const gathered = new Gathered()
  for (const variable of variables)
    for (const { path, content } of blocks) {
      const without = isLasting ? withValue(content, 'next_entry', null) : content
      const file = { path, content: typeof without === 'string' ? content : without }
      for (const value of namesForGrub(entry, menu)) gathered.add(file, variable, value)
    }
  if (blocks.length === 0) return gathered.all('GRUB has no environment block here: grub-editenv create makes one')
  return gathered.all(`${loader.config} does not choose its default by ${variables.join(' or ')}`)
}

/** The ways to name an entry to GRUB, behind its submenus; a `>` in a name is written twice. */
function namesForGrub({ id, title, submenus }: BootEntry, { entries }: BootMenu): string[] {
  const isUnique = entries.filter((each) => each.title === title).length === 1
  const names = [...new Set(isUnique ? [id, title] : [id])]
  return names.map((name) => [...submenus, name].map((part) => part.replaceAll('>', '>>')).join('>'))
}

/**
 * A DEFAULT that opens a menu must stay: the machine would no longer show it. And with MENU SAVE a menu may begin with another
 * entry than DEFAULT names. ONTIMEOUT then names the entry.
 */
function inExtlinux(system: System, { menu, loader, entry }: Wanted): Candidates {
  const gathered = new Gathered()
  const file = fileAt(system, loader.config)
  if (file === undefined) return gathered.all(`${loader.config} cannot be read`)
  const [first = ''] = (valueIn(file.content, 'DEFAULT') ?? '').split(/\s/)
  const opensMenu =
    /\.c32$|^(?:vesa)?menu$/i.test(first) || menu.entries.some(({ id, kernel }) => id === first && kernel === null)
  const savesSelection = /^[ \t]*menu[ \t]+save\b/im.test(file.content.toString('latin1'))
  const hasTimeout = valueIn(file.content, 'ONTIMEOUT') !== null
  const settings = [
    ...(hasTimeout ? (['ONTIMEOUT'] as const) : []),
    ...(opensMenu || savesSelection ? [] : (['DEFAULT'] as const)),
    ...(hasTimeout ? [] : (['ONTIMEOUT'] as const)),
  ]
  for (const setting of settings) gathered.add(file, setting, entry.id)
  return gathered.all(`neither ${settings.join(' nor ')} in ${loader.config} can name it`)
}

/**
 * The variable LoaderEntryDefault where it is set, else the line of loader.conf. LoaderEntryOneShot would not do: the kernel
 * overwrites it during a kexec (drivers/firmware/efi/efibc.c).
 */
function inSystemdBoot(system: System, { loader, entry }: Wanted): Candidates {
  const gathered = new Gathered()
  // A pattern may stand there.
  const value = entry.id.replace(/[\\*?[\]]/g, '\\$&')
  const variable = fileAt(system, loaderVariablePath('LoaderEntryDefault'))
  if (variable !== undefined) gathered.add(variable, 'LoaderEntryDefault', value)
  const conf = /\/loader\.conf$/i.test(loader.config) ? fileAt(system, loader.config) : undefined
  if (conf !== undefined) gathered.add(conf, 'default', value)
  if (conf === undefined && variable === undefined) return gathered.all('systemd-boot has no loader.conf here')
  return gathered.all(`neither ${loader.config} nor LoaderEntryDefault chooses the default`)
}

/** Changes that can be written down, and why others cannot. */
class Gathered {
  readonly #list: Candidate[] = []
  #problem: string | undefined

  add({ path, content }: { path: string; content: Buffer }, variable: LoaderSetting, value: string): void {
    const changed = withValue(content, variable, value)
    if (typeof changed === 'string') this.#problem ??= `${path}: ${changed}`
    else this.#list.push({ change: { path, variable, value, before: valueIn(content, variable) }, content: changed })
  }

  all(none: string): Candidates {
    return { list: this.#list, none: this.#problem ?? none }
  }
}
