import { posix } from 'node:path'
import type { System } from '../../system/system.ts'
import type { FoundEntry, Preset } from '../model/found-entry.ts'

/** More than anyone writes; each is searched among all entries. */
const MAX_PARTS = 100

/** An entry of the main menu, with rEFInd's criteria. */
export interface MainEntry {
  readonly entry: FoundEntry
  /** The part of its title between 'Boot ' and ' from VOLUME'. */
  readonly name: string
  /** Loader's path from the top of its volume. */
  readonly loader: string
  /** Whether rEFInd is certain to show it. */
  readonly isSure: boolean
  /** Whether nothing else that rEFInd may find stands before it. */
  readonly isFirm: boolean
}

/** rEFInd's vendor GUID (REFIND_GUID_VALUE). */
const previousBoot = 'PreviousBoot-36d08fa7-cf0b-42f5-8f14-68df73ed3740'

/** The last boot, by its title in the menu: in the firmware's variables, or with `use_nvram false` beside rEFInd. */
export function lastStarted(system: System, config: string): string | undefined {
  const read = (path: string, skip: number) => {
    try {
      const text = system.readHead(path, 4096).subarray(skip).toString('utf16le').replace(/\0.*$/s, '')
      return text === '' ? undefined : text
    } catch {
      return undefined
    }
  }
  // efivarfs puts 32 bits of attributes before the content.
  return (
    read(`/sys/firmware/efi/efivars/${previousBoot}`, 4) ??
    read(posix.join(posix.dirname(config), 'vars', 'PreviousBoot'), 0)
  )
}

/**
 * `default_selection` (FindMenuShortcutEntry in refind/menu.c): the first of its parts that fits. One character is an
 * entry's number or letter; more are a part of its title, with letter case ignored; `+` is the last boot. Else the
 * first entry.
 */
export function presetOf(
  selection: string,
  main: readonly MainEntry[],
  config: string,
  last: string | undefined,
  isLastHidden: boolean,
): Preset | null {
  let doubt: string | undefined
  const placed = ({ isFirm }: MainEntry) =>
    doubt ?? (isFirm ? undefined : 'rEFInd may find other entries before its default, such as those of another system.')
  for (const part of selection.split(',', MAX_PARTS)) {
    const isLast = part === '+'
    const wanted = isLast ? last : part
    if (isLast && last === undefined && isLastHidden)
      doubt = 'What rEFInd started last is unknown: its EFI variable cannot be seen.'
    if (wanted === undefined || wanted === '') continue
    const isShortcut = part.length === 1 && !isLast
    const found = isShortcut ? byShortcut(part, main) : byTitle(wanted, main)
    if (found !== undefined) {
      const reason = isLast ? 'rEFInd started it last' : `default_selection ${part} in ${config} names it`
      return { entry: found.entry, reason, doubt: isShortcut ? placed(found) : doubt }
    }
    if (isLast) doubt = `rEFInd started '${wanted}' last, which is none of the entries that were found.`
  }
  const first = main.find(({ isSure }) => isSure) ?? main[0]
  if (first === undefined) return null
  return { entry: first.entry, reason: 'it is the first that rEFInd shows', doubt: placed(first) }
}

/** A number up to 9; the first letter of the loader's directory, or L for a kernel at the top. */
function byShortcut(shortcut: string, main: readonly MainEntry[]): MainEntry | undefined {
  if (/^\d$/.test(shortcut)) return main[Number(shortcut) - 1]
  return main.find(({ loader }) => {
    const directory = posix.basename(posix.dirname(posix.join('/', loader.replaceAll('\\', '/'))))
    return (directory === '' ? 'l' : directory[0]?.toLowerCase()) === shortcut.toLowerCase()
  })
}

/**
 * Titles are `Boot NAME from VOLUME`. Only rEFInd knows the names of volumes, so the part behind the last ` from ` is
 * not compared.
 */
function byTitle(wanted: string, main: readonly MainEntry[]): MainEntry | undefined {
  const lower = wanted.toLowerCase()
  const cut = lower.lastIndexOf(' from ')
  const parts = [lower, ...(cut < 0 ? [] : [lower.slice(0, cut + ' from '.length)])]
  return main.find(({ name }) => parts.some((part) => `boot ${name} from `.toLowerCase().includes(part)))
}
