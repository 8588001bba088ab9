import type { PlanOptions } from '../../plan/model/options.ts'
import type { Lockdown, RehearsalPhase } from './rehearsal.ts'

/** Kexecs in a row: their works are files of the initrd that all of them pass on. */
export const MOST_KEXECS = 1000

/** The plan, as for `plan()`, and the machine that it is rehearsed on. */
export interface RehearseOptions
  extends Omit<
    PlanOptions,
    'trial' | 'panic' | 'deviceTree' | 'exactCommandLine' | 'verifyInPurgatory' | 'requireRehearsal'
  > {
  /** The kernel that loads the plan: a file. Default: the running one, where its file is there; else the planned kernel itself. */
  readonly from?: string
  /** A command for /bin/sh of the initrd, else of this machine, in the new kernel. Its exit status decides. */
  readonly init?: string
  /**
   * A text that the new system must print on its console. The initrd's own init runs then, and not that of the rehearsal.
   */
  readonly expect?: string
  /**
   * The initrd's own init runs, after a report of the rehearsal, until it has started a program of the root file system.
   * Default: false.
   */
  readonly withInitrdInit?: boolean
  /** How often in a row the plan is loaded and started, each time by the kernel that the last one started. Default: 1. */
  readonly count?: number
  /** The kernel that loads the plan is locked down. */
  readonly lockdown?: Lockdown
  /** Memory of the machine, MiB. Default: 1024, or more where the files need it. */
  readonly memory?: number
  /** Processors. Default: 1. */
  readonly cpus?: number
  /** Milliseconds that each phase of the new kernel may take. Default: 120,000. */
  readonly timeout?: number
  /** 'auto' takes KVM where it is known to boot a kernel. */
  readonly accelerator?: 'auto' | 'kvm' | 'tcg'
  /** A disk for the new kernel (raw or qcow2), which it may write to without changing the file: /dev/vda. */
  readonly rootImage?: string
  /** A directory to make, which keeps the files of the rehearsal. */
  readonly keep?: string
  /** Further arguments of QEMU. */
  readonly qemuArguments?: readonly string[]
  readonly onPhase?: (phase: RehearsalPhase) => void
  readonly onConsole?: (text: string) => void
}
