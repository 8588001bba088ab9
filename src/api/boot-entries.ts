import { discover as discoverOn, readBootMenu as readBootMenuOn } from '../entries/discover.ts'
import type { BootMenu } from '../entries/model/boot-menu.ts'
import type { BootEntry } from '../entries/model/entry.ts'
import { selectEntry as selectFrom } from '../entries/select.ts'
import { abortSignal, checkArgument, isObject, listOf, type OptionKinds, path, text } from '../options.ts'
import { type MachineOption, machineOption, onMachine } from './machine.ts'

export interface DiscoverOptions extends MachineOption {
  /** A kernel build tree, a directory of the machine, to read in place of everything else. */
  readonly buildTree?: string
  /** Ends it early, between two files or entries. */
  readonly signal?: AbortSignal
}

const kinds: OptionKinds<DiscoverOptions> = { ...machineOption, buildTree: path, signal: abortSignal }

/**
 * Everything a machine can boot: the menu of the boot loader in charge in its own order, then the entries that only other
 * sources know, newest kernel first. At most one entry is marked as default, one as running and one as newest; where every
 * kernel belongs to another system, none is newest. Broken entries are listed with their `problems`; no file's contents
 * make this fail. Input beyond any machine's needs, in time or memory, is left out, and `problems` of the menu say so.
 * @throws KexecError 'not-found' for a root or a build tree that is not a directory; 'aborted'; 'invalid-argument'
 */
export async function discover(options?: DiscoverOptions): Promise<BootEntry[]> {
  return discoverOn(onMachine('discover()', options, kinds))
}

/** As `discover`, with the boot loaders that were found, and their problems. */
export async function readBootMenu(options?: DiscoverOptions): Promise<BootMenu> {
  return readBootMenuOn(onMachine('readBootMenu()', options, kinds))
}

const entry = { what: 'a boot entry', accepts: (value: unknown) => isObject(value) && typeof value['id'] === 'string' }

/**
 * The entry that a selector means: 'newest', 'default', 'running', an id, a title, a kernel version, or a number of the
 * list: '2' or '#2'.
 * @param selector default: the boot loader's default if it names one, else the newest
 * @throws KexecError 'no-such-entry' or 'ambiguous-entry', with the candidates in its hint; 'invalid-argument'
 */
export function selectEntry(entries: readonly BootEntry[], selector?: string): BootEntry {
  checkArgument('selectEntry()', entries, listOf(entry))
  if (selector !== undefined) checkArgument('the selector of selectEntry()', selector, text)
  return selectFrom(entries, selector)
}
