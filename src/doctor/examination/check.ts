import type { Evidence } from '../../errors.ts'
import type { Examination } from './examination.ts'

/**
 * The state of a precondition of kexec:
 * - 'ok': it is met
 * - 'warning': a kexec works, but something else may go wrong
 * - 'problem': a kexec would not work
 * - 'unknown': the readable facts do not show it
 */
export type DoctorCheckStatus = 'ok' | 'warning' | 'problem' | 'unknown'

/** One precondition and its state. Plain data. */
export interface DoctorCheck {
  /** Stable name, such as 'boot-mount'; docs/doctor.md explains each. */
  readonly id: string
  /** Its subject: 'kernel', 'policy', 'process', … */
  readonly subject: string
  readonly status: DoctorCheckStatus
  /** One sentence. */
  readonly summary: string
  /** More sentences, where one is not enough. */
  readonly detail: readonly string[]
  /** The facts behind it, and where they were read. */
  readonly evidence: readonly Evidence[]
  /** A command to type, or one action to take; null where none is needed. */
  readonly remedy: string | null
}

/** A check as its subject reports it. */
export interface Finding<Id extends string = string> {
  readonly id: Id
  readonly status: DoctorCheckStatus
  readonly summary: string
  readonly detail?: readonly string[]
  readonly evidence?: readonly Evidence[]
  readonly remedy?: string
}

/** The subject that one file of this directory examines. */
export interface Subject<Id extends string = string> {
  readonly name: string
  /** Every check it may report. */
  readonly ids: readonly Id[]
  /** Whether it needs a running machine: the files of a mounted system do not answer it. */
  readonly needsMachine: boolean
  /** A check is left out where it has nothing to report. */
  examine(examination: Examination): readonly Finding<Id>[]
}
