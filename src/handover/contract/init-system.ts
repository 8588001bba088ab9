import type { Evidence } from '../../errors.ts'
import type { Hook } from '../../hooks/hook.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import type { FirstProcess } from '../first-process/pid1.ts'
import type { HandoverNote, HandoverObstacle } from './remarks.ts'

/** How long a handover may wait, and where it reports its steps. */
export interface HandoverContext {
  readonly system: System
  /** Called with one sentence per step. */
  readonly report: (step: string) => void
  /**
   * Called once the loaded kernel can no longer be unloaded or replaced: other processes of ours need not wait any
   * longer.
   */
  readonly begun?: () => void
  /** Heeded until the first step. Steps that have begun are not undone. */
  readonly signal?: AbortSignal
  /** Time for processes to end, or for the init system to begin, in milliseconds. */
  readonly deadline: number
  /** Whether hooks may go on with a reboot through the firmware when the loaded kernel cannot be started. Default: false. */
  readonly allowFirmwareReboot?: boolean
}

/** The steps of an init system on one machine, read from its files. Plain data. */
export interface InitExamination {
  /** The actions, step by step, for `reboot --dry-run`. */
  readonly steps: readonly string[]
  /**
   * The obstacles to ending in the new kernel; empty when there are none. Leave out the hook itself: the caller
   * (assess.ts) checks whether it is in place and can be run at the end.
   */
  readonly obstacles: readonly HandoverObstacle[]
  /** The hook that the init system must run for this way to end in kexec; null when it needs no hook. */
  readonly hook: Hook | null
  /** Other things that an administrator would have to install or set up beside the hook, one clause each. */
  readonly install: readonly string[]
  /** Useful facts that are not obstacles: limits of this way. */
  readonly notes: readonly HandoverNote[]
  readonly evidence: readonly Evidence[]
}

/** An unremarkable examination: the base that each init system's own extends. */
export const unremarkable = {
  obstacles: [],
  hook: null,
  install: [],
  notes: [],
  evidence: [],
} as const satisfies Omit<InitExamination, 'steps'>

/**
 * A way of stopping the services of a running system and then starting the loaded kernel. One file of init-systems/ each;
 * adding one touches that file and the list in init-systems/served.ts. Everything is read through the System, so that
 * `--root DIR` and fixtures work.
 */
export interface InitSystem {
  /** One word, for `--via` and for programs. */
  readonly name: string
  /** Its name for people. */
  readonly title: string
  /**
   * Whether this one runs: the evidence beside PID 1's name and program, or undefined when another runs. Asked in the
   * list's order.
   */
  detect(system: System, first: FirstProcess): readonly Evidence[] | undefined
  /** Its steps on this machine. A hook has to call `program`. Reads only. Also asked when it does not run. */
  examine(system: System, program: Program): InitExamination
  /**
   * Whether a handover with no kernel loaded ends in an orderly reboot through the firmware. A way with a hook always
   * does: that reboot follows the hook.
   */
  readonly reachesFirmware?: boolean
  /**
   * Refuses steps that this process itself would have to take and may not, before anything is stopped. @throws
   * KexecError
   */
  requirePermission?(system: System): void
  /** Stops the services and starts the loaded kernel. Resolves when nothing is left for this process to do. @throws KexecError */
  handOver(context: HandoverContext): Promise<void>
}
