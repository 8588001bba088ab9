import type { Survey } from '../survey/survey.ts'
import type { GrubVariables } from './grub-variables.ts'

/** Shared state while one menu's entries are read. */
export interface MenuReading {
  readonly survey: Survey
  /**
   * The text that GRUB puts in place of `$name`; null where systemd-boot reads the files, which takes that literally.
   */
  readonly variables: GrubVariables | null
}
