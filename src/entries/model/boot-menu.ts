import type { BootEntry, Source } from './entry.ts'
import type { Problem } from './problem.ts'

/** One boot loader's menu, or another place that kernels were found in, as part of a BootMenu. */
export interface BootLoader {
  readonly source: Source
  /** The file the boot loader starts from, or the folder the kernels lie in. */
  readonly config: string
  /** Whether it is the one whose menu this machine shows, as far as that can be told; at most one is. */
  readonly inCharge: boolean
  /** Id of the entry it would boot when nobody touches a key, or null when it tells none. */
  readonly default: string | null
  /** Why that one, to complete "the default, as …". */
  readonly reason: string | null
  /** Why it cannot be known which entry it would boot, one sentence without its stop; null where it is known. */
  readonly undecided: string | null
  /** What is wrong with its configuration as a whole. */
  readonly problems: readonly Problem[]
}

/** Everything a system can boot, and who says so. */
export interface BootMenu {
  /** The boot loader's menu in its own order, then what only others know; see `discover`. */
  readonly entries: readonly BootEntry[]
  /** In the order in which their entries count. */
  readonly loaders: readonly BootLoader[]
  /** What concerns no single entry: boot loaders that disagree about the default, broken files. */
  readonly problems: readonly Problem[]
}
