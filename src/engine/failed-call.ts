import type { ErrorKind, Evidence, Reason } from '../errors.ts'

/** The known facts about a failed call. */
export interface FailedCall {
  /** Positive errno. */
  readonly errno: number
  readonly syscall: 'kexec_file_load' | 'kexec_load'
  readonly path?: string
  readonly panic: boolean
  /** The arguments of the call. */
  readonly given?: readonly Evidence[]
  /** Loads that were still allowed before the call, which itself uses one up; null for any number. */
  readonly loadsLeft: number | null
  /** Whether a crash kernel was loaded before the call and is gone after it. */
  readonly lostCrashKernel?: boolean
  /** The kernel's log lines during the call. */
  readonly log: readonly Evidence[]
}

export interface Diagnosis {
  readonly reason: Reason
  /** Where it is not that of the reason. */
  readonly kind?: ErrorKind
  readonly summary: string
  readonly hint?: string
}
