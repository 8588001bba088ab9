/**
 * A trial is a kexec that is confirmed or taken back. A kexec does not change what the firmware boots, so a reset takes it
 * back: the guards bring the reset about, and the record outlives it.
 */

import type { LoaderChange } from './loader-change.ts'

/** How long a reboot waits for services, in milliseconds, unless it is told otherwise: an armed watchdog counts meanwhile. */
export const REBOOT_PATIENCE = 90_000

/** The states of a trial, in the order in which it can reach them; the last four end it. */
export const trialStates = ['planned', 'loaded', 'started', 'confirmed', 'failed', 'expired', 'cancelled'] as const
export type TrialState = (typeof trialStates)[number]

/** A hardware watchdog that is to reset the machine. */
export interface WatchdogGuard {
  /** Its name in /sys/class/watchdog. */
  readonly name: string
  /** The kernel module of its driver; null where it is built in or unknown. */
  readonly driver: string | null
  /** Seconds that it is set to, at the beginning of the reboot. */
  readonly timeout: number
  /** Seconds without being fed after which it resets the machine at the latest: some hardware counts twice. */
  readonly latest: number
  /** Who arms it: linux-kexec before the reboot, or systemd at its end. */
  readonly armedBy: 'linux-kexec' | 'systemd'
  /**
   * Until when nothing else feeds it: the confirmation; or, where systemd feeds it in the new kernel too, only the start of
   * systemd there.
   */
  readonly until: 'confirmation' | 'systemd'
}

/** What resets the machine when the new kernel is not confirmed. */
export interface TrialGuards {
  /** Seconds from a panic to the reset: the parameter `panic=`; null where it is not set. */
  readonly panic: number | null
  readonly watchdog: WatchdogGuard | null
  /** Whether a program in the initrd resets the machine at the deadline. */
  readonly deadman: boolean
}

/** The kernel that the trial starts, as the running system can be compared with it. */
export interface TrialTarget {
  /** The file it was loaded from, or '(memory)' and the like. */
  readonly kernel: string
  /** The release, as `uname -r` shows it; null where the image does not contain it. */
  readonly release: string | null
  /**
   * The build id of its ELF file, in hex, which /sys/kernel/notes shows; null where the image does not show it. Absent in
   * records of earlier versions, as the next one.
   */
  readonly buildId?: string | null
  /** The number and time of its build, as `uname -v` shows them; null where the image does not contain them. */
  readonly version?: string | null
  /** The whole command line, as /proc/cmdline shows it. */
  readonly commandLine: string
  /** SHA-256 of the initrd as it is loaded, in hex; null without one. */
  readonly initrdSha256: string | null
  /** Null where the kernel was not loaded by a boot entry. Absent in records of earlier versions. */
  readonly entry?: TriedEntry | null
}

/** The boot entry that a trial tries, as the boot loader's files had it at the load. */
export interface TriedEntry {
  readonly id: string
  readonly title: string
  readonly kernel: string
  readonly initrds: readonly string[]
  readonly commandLine: string | null
  /** The first of these that the load did not take from the entry; null when it took all of them. */
  readonly changed: 'command line' | 'initrd' | 'device tree' | null
}

/** What the machine boots after a reset. */
export interface Rollback {
  /** The id of the entry. */
  readonly entry: string
  readonly title: string
  readonly kernel: string | null
  /** The evidence, to complete "the default, as …". */
  readonly reason: string
}

/** The record of a trial. It lies on a disk, since it outlives the machine's reset. */
export interface TrialRecord {
  readonly schemaVersion: 1
  /** 16 hex digits. */
  readonly id: string
  readonly state: TrialState
  /** When each state was reached, ISO 8601 in UTC. */
  readonly times: Readonly<Partial<Record<TrialState, string>>>
  /** Why it failed or was cancelled, one sentence; else null. */
  readonly reason: string | null
  /** Milliseconds from the start of the new kernel within which it must be confirmed. */
  readonly deadline: number
  readonly guards: TrialGuards
  readonly target: TrialTarget
  readonly rollback: Rollback | null
  /** What was changed so that a reset boots that; null, or absent, when nothing was. */
  readonly fallback?: LoaderChange | null
  /** The kernel that loaded it. */
  readonly from: { readonly release: string; readonly bootId: string }
}
