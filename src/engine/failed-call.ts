import type { Evidence, Reason } from '../errors.ts'

/** What is known of a call that failed. */
export interface FailedCall {
  /** Positive errno. */
  readonly errno: number
  readonly syscall: 'kexec_file_load' | 'kexec_load'
  readonly path?: string
  readonly panic: boolean
  /** What the call was given. */
  readonly given?: readonly Evidence[]
  /** Loads that were still allowed before the call, which itself uses one up; null for any number. */
  readonly loadsLeft: number | null
  /** A crash kernel was loaded before the call, and none is any more. */
  readonly lostCrashKernel?: boolean
  /** What the kernel logged during the call. */
  readonly log: readonly Evidence[]
}

export interface Diagnosis {
  readonly reason: Reason
  readonly summary: string
  readonly hint?: string
}
