import type { Evidence } from '../../errors.ts'
import type { Hook } from '../../hooks/hook.ts'
import type { Program } from '../../program.ts'
import type { System } from '../../system/system.ts'
import type { FirstProcess } from '../first-process/pid1.ts'

/** How far a handover may wait, and what it reports on the way. */
export interface HandoverContext {
  readonly system: System
  /** Called with one sentence per step. */
  readonly report: (step: string) => void
  /** Called once the loaded kernel can no longer be unloaded or replaced: others of us need not wait any longer. */
  readonly begun?: () => void
  /** Heeded until the first step: what was begun is not taken back. */
  readonly signal?: AbortSignal
  /** How long processes may take to end, or the init system to begin, milliseconds. */
  readonly deadline: number
  /** Whether hooks may go on with a reboot through the firmware when the loaded kernel cannot be started. Default: false. */
  readonly allowFirmwareReboot?: boolean
}

/** What an init system would do on one machine, read from its files. Plain data. */
export interface InitExamination {
  /** What will happen, step by step, for `reboot --dry-run`. */
  readonly steps: readonly string[]
  /**
   * What keeps this way from ending in the new kernel, one clause each without a full stop; empty when nothing does. Whether
   * the hook is in place, and whether it can be run at the end, is looked at by whoever asks (assess.ts): leave it out here.
   */
  readonly obstacles: readonly string[]
  /** What has to lie where the init system runs it for this way to end in kexec; null when it needs nothing of ours. */
  readonly hook: Hook | null
  /** What an administrator would have to install or set up beside the hook, one clause each. */
  readonly install: readonly string[]
  /** What is good to know and stands in nobody's way, one sentence each: opt-outs that are set, limits of this way. */
  readonly notes: readonly string[]
  readonly evidence: readonly Evidence[]
}

/** An examination where nothing is remarkable: what an init system's own spreads first. */
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
  /** What people call it. */
  readonly title: string
  /** Whether this is what runs: what tells so beside PID 1's name and program, or undefined when it is another. Asked in the list's order. */
  detect(system: System, first: FirstProcess): readonly Evidence[] | undefined
  /** What it would do on this machine. `program` is what a hook has to call. Reads only; asked too when it is not what runs. */
  examine(system: System, program: Program): InitExamination
  /**
   * Whether, with nothing loaded, handing over ends in an orderly reboot through the firmware. One that needs a hook does so by
   * itself: what follows the hook is that.
   */
  readonly reachesFirmware?: boolean
  /** Refuses what this process itself would have to do and may not, before anything is stopped. @throws KexecError */
  requirePermission?(system: System): void
  /** Stops the services and starts the loaded kernel. Resolves when nothing is left for this process to do. @throws KexecError */
  handOver(context: HandoverContext): Promise<void>
}
