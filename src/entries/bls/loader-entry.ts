import type { BootCount } from '../efi/boot-counting.ts'
import type { FoundEntry } from '../model/found-entry.ts'

/** An entry of systemd-boot's menu before it is sorted and its title made unique. */
export interface LoaderEntry {
  /** The entry for `list`; the title is set once all entries are known. */
  readonly found: FoundEntry & { title: string }
  /** The file's name without boot count, and '@profile' for the further profiles of a unified kernel image. */
  readonly id: string
  /** Null: the id replaces it. */
  readonly title: string | null
  readonly sortKey: string | null
  readonly machineId: string | null
  /** The version that the menu sorts by and tells titles apart with; need not be a kernel release. */
  readonly version: string | null
  readonly count: BootCount | null
  /** Its `architecture`, as `uname -m` prints it, or null. */
  readonly machine: string | null
  /** Number of the profile in a unified kernel image; 0 for the first, and for all other entries. */
  readonly profile: number
  /** Whether systemd-boot leaves it out of its menu; `found.problems` says why. */
  readonly isHidden: boolean
  /**
   * Whether systemd-boot found it by itself (another system, the firmware): such an entry is never the default unless
   * named.
   */
  readonly isAutomatic: boolean
}
