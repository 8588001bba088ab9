import type { BootEntry, Source } from './entry.ts'
import type { Survey } from './survey.ts'

/** An entry as its source gives it; which of all entries runs and which is newest is told afterwards (rank.ts). */
export type FoundEntry = Omit<BootEntry, 'isRunning' | 'isNewest'>

/** A kind of configuration that boot entries are read from: one object in one file, and one line in discover.ts. */
export interface EntrySource {
  readonly name: Source
  /**
   * The entries of this kind. Never throws for what it reads: a broken entry says so in its `problems`.
   * @param earlier what the sources before this one found.
   */
  find(survey: Survey, earlier: readonly FoundEntry[]): FoundEntry[]
}
