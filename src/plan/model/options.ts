import type { ImageInput } from '../../image/inspect/input.ts'
import type { InitrdOverlay } from '../../initrd/overlay.ts'

/**
 * The kernel to load. Without `entry`, `kernel` and `target`: the boot loader's default if it names one, else the
 * newest.
 */
export interface PlanOptions {
  /** A boot entry: 'newest', 'default', 'running', an id, a title, a kernel version, or a number of the list: '2' or '#2'. */
  readonly entry?: string
  /** A kernel instead of an entry: a file, bytes in memory, an open file, or a stream that is read to its end. */
  readonly kernel?: ImageInput
  /**
   * Either, as on the command line: an entry's id or title; else, with a slash, a file; else an entry; else a file of
   * that name.
   */
  readonly target?: string
  /**
   * Initrds in order, in place of the entry's and the image's own; given like a kernel. 'running' is the one that the running kernel
   * was started with, which it shows with the parameter retain_initrd; './running' is a file of that name.
   */
  readonly initrds?: readonly ImageInput[]
  /** A profile of a unified kernel image: the number after `@` in its entry's id. Default: the first. */
  readonly profile?: number
  /** A configuration of a FIT image. Default: the first for this machine, else the image's default. */
  readonly configuration?: string
  /** The vendor_boot image of an Android boot image of version 3 or later; given like a kernel. */
  readonly vendorBoot?: ImageInput
  /** Load without an initrd, even when the entry has one. */
  readonly noInitrd?: boolean
  /** Files to add to the initrd, in memory; they replace files of the same name. A string is `SRC` or `SRC:DEST`. */
  readonly overlay?: readonly (InitrdOverlay | string)[]
  /** Take the running kernel's command line, without the parameters that concern only the current boot. */
  readonly reuseCommandLine?: boolean
  /** Take this command line, in place of the entry's own. */
  readonly commandLine?: string
  /** Take this text literally: it is not parsed, and `remove` and `append` do not apply. */
  readonly exactCommandLine?: string
  /** Parameters to add, after `remove`. */
  readonly append?: string | readonly string[]
  /** Keys (or whole `key=value` pairs) to take away. */
  readonly remove?: string | readonly string[]
  /**
   * A device tree file, in place of the running tree. kexec_file_load takes none, so this needs the engine `segments`,
   * on arm64.
   */
  readonly deviceTree?: string
  /** Load as the crash kernel, which a panic starts. */
  readonly panic?: boolean
  /** The syscall that loads it. 'auto' chooses. */
  readonly engine?: 'auto' | 'file' | 'segments'
  /**
   * Make the reboot as short as the policy allows: work moves from after the reboot to before it. The plan names each
   * measure and its price.
   */
  readonly fast?: boolean
  /**
   * With the engine `segments`: hash all segments before the new kernel starts, and stop the machine rather than start
   * overwritten ones. The engine `file` always does.
   */
  readonly verifyInPurgatory?: boolean
  /** Ask the kernel although its policy will refuse. That is then a warning, not a refusal. */
  readonly tryAnyway?: boolean
  /**
   * Load it as a trial: the new kernel must be confirmed within the deadline, or the machine is reset and boots as
   * before. The plan shows what would bring the machine back, and refuses where nothing would.
   */
  readonly trial?: boolean | TrialOptions
  /**
   * Load it only if a rehearsal of exactly this plan was passed: the same bytes, command line and engine. A number is the most days
   * since. What a trial adds does not count.
   */
  readonly requireRehearsal?: boolean | number
  /** The machine to plan for: a directory that holds its root file system. Default: the running one. */
  readonly root?: string
  /** Ends the planning early. */
  readonly signal?: AbortSignal
}

/** How a trial is made. */
export interface TrialOptions {
  /** Milliseconds from the start of the new kernel within which it must be confirmed; whole seconds. Default 120,000. */
  readonly deadline?: number
  /** The boot entry that a reset is to start: the boot loader's settings are changed for it when the plan is loaded. */
  readonly fallback?: string
  /** Load it although nothing would bring the machine back after some failures: they become warnings. */
  readonly allowGaps?: boolean
}

/** An option as a list: one value or several are given the same way. */
export function listOf(option: string | readonly string[] | undefined): readonly string[] {
  return typeof option === 'string' ? [option] : (option ?? [])
}
