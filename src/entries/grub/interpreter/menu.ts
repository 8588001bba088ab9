import type { Source } from '../../model/entry.ts'
import type { FoundEntry } from '../../model/found-entry.ts'
import type { Environment } from '../script/environment.ts'
import type { FunctionDefinition, Statement } from '../script/syntax.ts'

/** What the menu shows of an entry or a submenu, before it is chosen. */
export interface MenuItem {
  readonly isSubmenu: boolean
  readonly title: string
  readonly id: string
  /** `$1` and so on in its body; the title is the first. */
  readonly arguments: readonly string[]
  readonly body: readonly Statement[]
  /** In place of a body: text that is run line by line. */
  readonly script?: string
  /** Where it was defined. */
  readonly config: string
  /** Of an entry that blscfg made: what gives it, the kernel's release and the machine-id by its own word. */
  readonly source?: Source
  readonly version?: string | null
  readonly machineId?: string | null
  /** What it is not known of: 'Shown only if …'. */
  readonly uncertainties: readonly string[]
  /** Nothing has to be run to know what it starts. */
  readonly ready?: FoundEntry
}

/** A menu with the variables and functions that its entries will see: what a configuration file or a submenu makes. */
export interface MenuContext {
  environment: Environment
  readonly functions: Map<string, FunctionDefinition>
  readonly items: MenuItem[]
}

/** What a body leaves behind: what would be booted. The kernel is null for what is no Linux kernel. */
export type Boot = Omit<FoundEntry, 'id' | 'title' | 'submenus' | 'source' | 'config'>

/** A type 1 file as GRUB reads it: its lines up to the first that has no value. Keys may be repeated. */
export interface BlsFile {
  readonly path: string
  /** The file's name without `.conf`. */
  readonly id: string
  readonly keys: readonly (readonly [key: string, value: string])[]
  /** Whether a menu has it already. */
  isShown: boolean
}
