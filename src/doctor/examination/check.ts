import type { Evidence } from '../../errors.ts'
import type { Examination } from './examination.ts'

/**
 * How a precondition of kexec stands:
 * - 'ok': it is met
 * - 'warning': a kexec works, and something else may not come out as wished
 * - 'problem': a kexec would not work
 * - 'unknown': what could be read does not tell
 */
export type CheckStatus = 'ok' | 'warning' | 'problem' | 'unknown'

/** One precondition, and how it stands. Plain data. */
export interface Check {
  /** Stable name, such as 'boot-mount'; docs/doctor.md explains each. */
  readonly id: string
  /** What it is about: 'kernel', 'policy', 'process', … */
  readonly subject: string
  readonly status: CheckStatus
  /** One sentence. */
  readonly summary: string
  /** More sentences, where one does not do. */
  readonly detail: readonly string[]
  /** What was read to tell so, and from where. */
  readonly evidence: readonly Evidence[]
  /** A command to type, or one thing to do; null where nothing has to be done. */
  readonly remedy: string | null
}

/** A check as its subject finds it. */
export interface Finding<Id extends string = string> {
  readonly id: Id
  readonly status: CheckStatus
  readonly summary: string
  readonly detail?: readonly string[]
  readonly evidence?: readonly Evidence[]
  readonly remedy?: string
}

/** What one file of this folder looks at. */
export interface Subject<Id extends string = string> {
  readonly name: string
  /** Every check it may give. */
  readonly ids: readonly Id[]
  /** Whether it needs a machine that runs: the files of a system that is only mounted somewhere say nothing of it. */
  readonly needsMachine: boolean
  /** A check is left out where there is nothing to say of it. */
  examine(examination: Examination): readonly Finding<Id>[]
}
