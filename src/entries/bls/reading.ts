import type { Survey } from '../survey.ts'
import type { GrubVariables } from './grub-variables.ts'

/** What the reading of one menu's entries has in common. */
export interface MenuReading {
  readonly survey: Survey
  readonly variables: GrubVariables
  /** What the boot loader is for, as `uname -m` prints it, or null when nothing tells. */
  readonly machine: string | null
  /** Addons for every unified kernel image, by the partition they lie on. */
  readonly addonsOf: (path: string) => string | null
}
