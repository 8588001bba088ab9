import type { TrialGuards } from './trial.ts'

/** What a trial does with the guards of the running kernel. */
export interface GuardControl {
  /**
   * Stops the guards, or hands them back to their former users, so that they no longer reset the machine. It can be
   * repeated. @throws KexecError when one of them cannot be released; it resets the machine then
   */
  readonly release: (guards: TrialGuards) => void
  /** Makes a guard reset the machine now. @returns false when there is none that can */
  readonly fire: (guards: TrialGuards) => boolean
}
