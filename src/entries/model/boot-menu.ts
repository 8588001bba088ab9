import type { BootEntry, BootSource } from './entry.ts'
import type { BootProblem } from './problem.ts'

/** One boot loader's menu, or another place that kernels were found in, as part of a BootMenu. */
export interface BootLoader {
  readonly source: BootSource
  /** The file the boot loader starts from, or the directory the kernels lie in. */
  readonly config: string
  /** Whether it is the one whose menu this machine shows, as far as that is known; at most one does. */
  readonly inCharge: boolean
  /** Id of the entry it would boot when nobody touches a key, or null when it names none. */
  readonly default: string | null
  /** The reason, to complete "the default, as …". */
  readonly reason: string | null
  /** Why the entry it would boot is unknown, one sentence without its full stop; null where it is known. */
  readonly undecided: string | null
  /** Why nothing boots until somebody touches a key, one sentence without its full stop; null without a sign of that. */
  readonly waits: string | null
  /** Faults of its configuration as a whole. */
  readonly problems: readonly BootProblem[]
}

/** Everything a system can boot, and the sources. */
export interface BootMenu {
  /** The boot loader's menu in its own order, then the entries that only others know; see `discover`. */
  readonly entries: readonly BootEntry[]
  /** In the order of precedence of their entries. */
  readonly loaders: readonly BootLoader[]
  /** Problems that concern no single entry: boot loaders that disagree about the default, broken files. */
  readonly problems: readonly BootProblem[]
}
