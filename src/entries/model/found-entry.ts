import type { Source } from './entry.ts'
import type { Problem } from './problem.ts'

/**
 * An entry as its configuration gives it. Paths are mapped already (`survey.volumes`). What the files themselves tell
 * (version, architecture, whether they are there) is added afterwards, for all sources alike, in describe.ts; what other
 * sources and the running system tell comes after that, in merge.ts and rank.ts.
 */
export interface FoundEntry {
  readonly id: string
  readonly title: string
  /** Left out: none. */
  readonly submenus?: readonly string[]
  /** Kernel release by the configuration's own word; the kernel's word counts more. Left out: not told. */
  readonly version?: string | null
  /** Left out: the menu's. UKIs stand in the menu of systemd-boot beside `bls` entries; GRUB's blscfg gives `bls` entries. */
  readonly source?: Source
  /** Left out: the menu's. */
  readonly config?: string
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly cmdline: string | null
  readonly devicetree?: string | null
  /** Number of the profile of a unified kernel image that has profiles. Left out: there is none to choose. */
  readonly profile?: number | null
  /** As `uname -m` prints it, by the configuration's word. Left out: not told. */
  readonly architecture?: string | null
  /** The `machine-id` that the entry says it is for. Left out: not told. */
  readonly machineId?: string | null
  /** ID of the os-release that a unified kernel image carries. Left out: not told. */
  readonly systemId?: string | null
  /** What is wrong with the entry as configured; missing or broken files are not to be told here. */
  readonly problems?: readonly Problem[]
  /**
   * What could not be known of it, one sentence each: 'Depends on the firmware: …'. Shown with the problems, but does not
   * make the entry a broken one.
   */
  readonly uncertainties?: readonly string[]
  /** Version, architecture and file problems are told already: describe.ts leaves the entry as it is. */
  readonly described?: boolean
}

/** More files than any kernel is given; a source looks for one more, so that it is seen that there are. */
export const MAX_INITRDS = 256

/** What a boot loader would show, and what it would boot when nobody touches a key. */
export interface Menu {
  readonly source: Source
  /** The file the boot loader starts from, or the folder the entries lie in. */
  readonly config: string
  /** In the boot loader's own order. */
  readonly entries: readonly FoundEntry[]
  /** Null when it tells none. */
  readonly preset: Preset | null
  /** Why it cannot be known what it would boot, one sentence without its stop. Left out: it is known, or nothing tells. */
  readonly undecided?: string
  /** What is wrong with the configuration as a whole, naming file and line where there is one. */
  readonly problems: readonly Problem[]
}

export interface Preset {
  /** One of the menu's `entries`, the very object. */
  readonly entry: FoundEntry
  /** Why, to complete "the default, as …": 'saved_entry in /boot/grub/grubenv names it'. */
  readonly reason: string
}

/** The menu of a place that kernels merely lie in. */
export function menuWithoutPreset(source: Source, config: string, entries: readonly FoundEntry[]): Menu {
  return { source, config, entries, preset: null, problems: [] }
}
