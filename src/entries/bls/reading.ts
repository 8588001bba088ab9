import type { Survey } from '../survey/survey.ts'
import type { GrubVariables } from './grub-variables.ts'

/** What the reading of one menu's entries has in common. */
export interface MenuReading {
  readonly survey: Survey
  /** What GRUB puts in place of `$name`; null where systemd-boot reads the files, to which that is a text like any other. */
  readonly variables: GrubVariables | null
}
