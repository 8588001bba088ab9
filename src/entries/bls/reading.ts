import type { Survey } from '../survey.ts'
import type { Addons } from './addons.ts'
import type { GrubVariables } from './grub-variables.ts'

/** What the reading of one menu's entries has in common. */
export interface MenuReading {
  readonly survey: Survey
  readonly variables: GrubVariables
  /** What the boot loader is for, as `uname -m` prints it, or null when nothing tells. */
  readonly machine: string | null
  readonly addons: Addons
  /** The folder of the addons for all images, on the partition that holds this path. */
  addonsBeside(path: string): string | null
}
