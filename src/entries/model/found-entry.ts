import type { BootSource } from './entry.ts'
import type { BootProblem } from './problem.ts'

/**
 * An entry as its configuration gives it. Paths are mapped already (`survey.volumes`). Facts from the files themselves
 * (version, architecture, existence) are added afterwards, for all sources alike, in describe.ts. Facts from other
 * sources and the running system follow in merge.ts and rank.ts.
 */
export interface FoundEntry {
  readonly id: string
  readonly title: string
  /** Absent: none. */
  readonly submenus?: readonly string[]
  /** Kernel release according to the configuration; the kernel's own counts more. Absent: unknown. */
  readonly version?: string | null
  /**
   * Absent: the menu's. UKIs stand in the menu of systemd-boot beside `bls` entries; GRUB's blscfg gives `bls` entries.
   */
  readonly source?: BootSource
  /** Absent: the menu's. */
  readonly config?: string
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly commandLine: string | null
  readonly deviceTree?: string | null
  /** Number of the profile of a unified kernel image that has profiles. Absent: there is none to choose. */
  readonly profile?: number | null
  /** As `uname -m` prints it, according to the configuration. Absent: unknown. */
  readonly architecture?: string | null
  /** The `machine-id` that the entry is for. Absent: unknown. */
  readonly machineId?: string | null
  /** ID of the os-release that a unified kernel image carries. Absent: unknown. */
  readonly systemId?: string | null
  /** Faults of the entry as configured; leave missing or broken files to describe.ts. */
  readonly problems?: readonly BootProblem[]
  /**
   * Facts about it that are unknown, one sentence each: 'It depends on the firmware: …'. Shown with the problems, but does
   * not make the entry a broken one.
   */
  readonly uncertainties?: readonly string[]
  /** Version, architecture and file problems are known already: describe.ts leaves the entry as it is. */
  readonly described?: boolean
}

/** More files than any kernel takes. A source looks for one more, to see that there are more. */
export const MAX_INITRDS = 256

/** The menu that a boot loader would show, and the entry it would boot when nobody touches a key. */
export interface Menu {
  readonly source: BootSource
  /** The file the boot loader starts from, or the directory the entries lie in. */
  readonly config: string
  /** In the boot loader's own order. */
  readonly entries: readonly FoundEntry[]
  /** Null when it names none. */
  readonly preset: Preset | null
  /**
   * Why the entry it would boot is unknown, one sentence without its full stop. Absent: it is known, or there is no
   * sign of one.
   */
  readonly undecided?: string
  /** Why nothing boots until somebody touches a key, one sentence without its full stop. Absent: no sign of that. */
  readonly waits?: string | undefined
  /** Faults of the configuration as a whole, with file and line where there is one. */
  readonly problems: readonly BootProblem[]
}

export interface Preset {
  /** One of the menu's `entries`, the same object. */
  readonly entry: FoundEntry
  /** The reason, to complete "the default, as …": 'saved_entry in /boot/grub/grubenv names it'. */
  readonly reason: string
  /** Why it may be another entry, one sentence. Absent: it is certain. */
  readonly doubt?: string | undefined
}

/** The menu of a place that holds kernels but no configuration. */
export function menuWithoutPreset(source: BootSource, config: string, entries: readonly FoundEntry[]): Menu {
  return { source, config, entries, preset: null, problems: [] }
}
