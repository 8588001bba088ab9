import type { KexecErrorDetails } from '../../errors.ts'

/** A rehearsal carries out a plan in QEMU: another kernel loads it there, with our own engine, and starts it. */

/**
 * How far a rehearsal is: the loading kernel boots; it loads the plan; it jumps, and the new kernel has printed nothing yet; the
 * new kernel boots; its first process runs.
 */
export const phases = ['first boot', 'load', 'jump', 'boot', 'run'] as const
export type RehearsalPhase = (typeof phases)[number]

/** An error of the load in the guest, as plain data. */
export type GuestError = Partial<Pick<KexecErrorDetails, 'hint' | 'evidence'>> & {
  readonly reason: string
  readonly message: string
}

/** How a rehearsal ended: one of these. */
export type RehearsalOutcome =
  /** The new kernel reached userspace, and what was to happen there did. */
  | { readonly kind: 'passed' }
  /** It reached userspace, and the kernel had reported a fault of its own before. `message` is its first line. */
  | { readonly kind: 'oopsed'; readonly message: string }
  /** It reached userspace, and the command of `init` failed. 127: it did not start; 128 and more: a signal ended it. */
  | { readonly kind: 'failed'; readonly status: number }
  /** The guest saw another command line or initrd than the plan's. */
  | { readonly kind: 'not-as-planned'; readonly differences: readonly string[] }
  /** A kernel panicked. `message` is the text behind "not syncing". */
  | { readonly kind: 'panicked'; readonly phase: RehearsalPhase; readonly message: string }
  /** The new kernel found no root file system. */
  | { readonly kind: 'root-not-found'; readonly message: string }
  /** The new kernel found no first process, or it ended. */
  | { readonly kind: 'init-failed'; readonly message: string }
  /** Nothing more was printed until the deadline. `after` is the last line. */
  | { readonly kind: 'hung'; readonly phase: RehearsalPhase; readonly after: string }
  /** The new kernel printed nothing at all until the deadline. */
  | { readonly kind: 'silent'; readonly processor: ProcessorState | null }
  /** Lines still came at the deadline. */
  | { readonly kind: 'timed-out'; readonly phase: RehearsalPhase }
  /** The machine was switched off. */
  | { readonly kind: 'powered-off'; readonly phase: RehearsalPhase }
  /** The machine was reset. */
  | { readonly kind: 'rebooted'; readonly phase: RehearsalPhase }
  /** The plan, or the kernel that loads it, refuses it. */
  | { readonly kind: 'refused'; readonly error: GuestError }
  /** The loading kernel did not come as far as the jump. */
  | { readonly kind: 'not-loaded'; readonly error: GuestError }
  /** The accelerator that was asked for cannot be used here. */
  | { readonly kind: 'accelerator-unusable'; readonly message: string }
  | { readonly kind: 'qemu-died'; readonly status: number | null; readonly message: string }

/** Of a machine without a sign of life: its processors run on and on, or they wait for something to happen. */
export type ProcessorState = 'looping' | 'waiting'

/** As the parameter `lockdown=` of the kernel has it. */
export type Lockdown = 'integrity' | 'confidentiality'

/** What the first process of a kernel saw. */
export interface GuestReport {
  readonly release: string
  readonly commandLine: string
  /** Bytes that the kernel manages. */
  readonly memory: number | null
  /** The initrd as the kernel got it: bytes, and CRC-32; null where the kernel does not show it. */
  readonly initrd: { readonly size: number; readonly crc32: number } | null
  /** How far the kernel is locked down; null where it does not show it. */
  readonly lockdown: 'none' | Lockdown | null
  /** The program of the root file system that the initrd's own init started, with `withInitrdInit`; else null. */
  readonly root: string | null
}

export interface RehearsalRecord {
  readonly outcome: RehearsalOutcome
  /** The likely cause, as one sentence, and a remedy where there is one; null when it passed, or is unknown. */
  readonly cause: string | null
  /** How many kexecs were to be made, and the one that the outcome is of: from 1 on, 0 before the first. */
  readonly count: number
  readonly kexec: number
  /** The new kernel's report, the last one's of several; null when it did not come so far. */
  readonly report: GuestReport | null
  /** Milliseconds in each phase that began. */
  readonly phases: Readonly<Partial<Record<RehearsalPhase, number>>>
  /** The console since the last jump; of the loading kernel, when there was no jump. */
  readonly console: string
}

/** Whether the plan would come up. */
export function hasPassed({ kind }: RehearsalOutcome): boolean {
  return kind === 'passed'
}
