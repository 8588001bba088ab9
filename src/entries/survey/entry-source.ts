import type { BootSource } from '../model/entry.ts'
import type { FoundEntry, Menu } from '../model/found-entry.ts'
import type { Survey } from './survey.ts'

/** A kind of configuration that boot entries are read from: one object in one file, and one line in sources.ts. */
export interface EntrySource {
  readonly name: BootSource
  /**
   * The menus of this kind, [] when the system has none. Never throws for file contents: a broken entry says so in its
   * `problems`, a broken file in the menu's. It stops when `survey.budget` is spent, and keeps its results so far.
   * @param earlier the menus of the sources before this one
   */
  find(survey: Survey, earlier: readonly FoundEntry[]): readonly Menu[] | Promise<readonly Menu[]>
}
