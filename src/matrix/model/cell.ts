import type { InitrdOverlay } from '../../initrd/overlay.ts'
import type { ToolVersions } from '../../rehearsal/machine/own-machine.ts'
import type { GuestError, RehearsalOutcome, RehearsalRecord } from '../../rehearsal/model/rehearsal.ts'
import type { MatrixEngine, MatrixSettings } from './definition.ts'

/** A kernel of a matrix, with absolute paths. */
export interface NamedKernel {
  readonly name: string
  readonly kernel: string
  readonly initrds: readonly string[]
  /** Whether the file may hold an initrd itself, as a unified kernel image does. */
  readonly mayHoldInitrd: boolean
  /** As `uname -m` prints it; null where the head of its file does not show it. */
  readonly architecture: string | null
}

/** A cell that is to be rehearsed. */
export interface MatrixCell {
  readonly from: NamedKernel
  readonly to: NamedKernel
  readonly architecture: string
  readonly engine: MatrixEngine
  /** The name of its variant; '' where the matrix has none. */
  readonly variant: string
  /** Of the variant and of the matrix, paths absolute. */
  readonly settings: CellSettings
}

export type CellSettings = Omit<MatrixSettings, 'overlay'> & { readonly overlay?: readonly InitrdOverlay[] }

/**
 * How a cell ended: as its rehearsal did; or it was not run; or it could not be: this machine failed, not the plan.
 */
export type MatrixOutcome =
  | RehearsalOutcome
  | { readonly kind: 'not-run'; readonly message: string }
  | { readonly kind: 'error'; readonly error: GuestError }

/** A cell with its outcome: what the results file keeps of it. */
export interface MatrixResult {
  /** Names of the kernels. */
  readonly from: string
  readonly to: string
  readonly architecture: string
  /** As the matrix has it; `loadedBy` is the one that loaded it. */
  readonly engine: MatrixEngine
  readonly variant: string
  /** Words that rehearse it alone; null where the command has no option for something of it. */
  readonly command: string | null
  readonly outcome: MatrixOutcome
  /** The likely cause, with a remedy; null when it passed, or is unknown. */
  readonly cause: string | null
  /** The outcome as a sentence. */
  readonly words: string
  /** SHA-256, in hex, of everything that the cell depends on; null when it was not run. */
  readonly key: string | null
  /** When it ended, ISO 8601 in UTC; null when it was not run. */
  readonly at: string | null
  /** From its begin to its end. */
  readonly milliseconds: number
  readonly phases: RehearsalRecord['phases']
  readonly loadedBy: 'file' | 'segments' | null
  /** The command line of the plan. */
  readonly commandLine: string | null
  readonly report: RehearsalRecord['report']
  readonly accelerator: 'kvm' | 'tcg' | null
  readonly tools: ToolVersions | null
  /** The console, without its middle where that is long. */
  readonly console: string
}

/** A matrix that was run. */
export interface MatrixRecord {
  readonly name: string
  readonly began: string
  readonly ended: string
  /** Whether an interruption left cells out. */
  readonly interrupted: boolean
  readonly counts: MatrixCounts
  readonly cells: readonly MatrixResult[]
}

export interface MatrixCounts {
  readonly all: number
  readonly passed: number
  /** Rehearsed, and not passed; or this machine could not rehearse them. */
  readonly failed: number
  readonly notRun: number
  /** Of an earlier run. */
  readonly kept: number
}
