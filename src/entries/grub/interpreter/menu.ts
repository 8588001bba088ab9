import type { BootSource } from '../../model/entry.ts'
import type { FoundEntry } from '../../model/found-entry.ts'
import type { Environment } from '../script/environment.ts'
import type { FunctionDefinition, Statement } from '../script/syntax.ts'

/** The visible part of an entry or a submenu, before it is chosen. */
export interface MenuItem {
  readonly isSubmenu: boolean
  readonly title: string
  readonly id: string
  /** `$1` and so on in its body; the title is the first. */
  readonly arguments: readonly string[]
  readonly body: readonly Statement[]
  /** In place of a body: text that runs line by line. */
  readonly script?: string
  /** The place of its definition. */
  readonly config: string
  /** For an entry that blscfg made: its source, and its own values for the kernel's release and the machine-id. */
  readonly source?: BootSource
  readonly version?: string | null
  readonly machineId?: string | null
  /** The unknown facts about it: 'It is shown only if …'. */
  readonly uncertainties: readonly string[]
  /** Its start is known without running anything. */
  readonly ready?: FoundEntry
}

/**
 * A menu with the variables and functions that its entries will see: the result of a configuration file or a submenu.
 */
export interface MenuContext {
  environment: Environment
  readonly functions: Map<string, FunctionDefinition>
  readonly items: MenuItem[]
}

/** The result of a body: the files that would boot. The kernel is null for anything but a Linux kernel. */
export type Boot = Omit<FoundEntry, 'id' | 'title' | 'submenus' | 'source' | 'config'>

/** A type 1 file as GRUB reads it: its lines up to the first without a value. Keys may be repeated. */
export interface BlsFile {
  readonly path: string
  /** The file's name without `.conf`. */
  readonly id: string
  readonly keys: readonly (readonly [key: string, value: string])[]
  /** Whether a menu already has it. */
  isShown: boolean
}
