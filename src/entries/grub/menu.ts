import type { Source } from '../entry.ts'
import type { FoundEntry } from '../source.ts'
import type { Environment } from './environment.ts'
import type { FunctionDefinition, Statement } from './syntax.ts'

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
