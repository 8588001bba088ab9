import type { Survey } from '../survey.ts'
import type { GrubVariables } from './grub-variables.ts'

/** What the reading of one menu's entries has in common. */
export interface MenuReading {
  readonly survey: Survey
  readonly variables: GrubVariables
}
