import type { ImageInput } from '../../image/inspect/open.ts'
import type { Overlay } from '../../initrd/overlay.ts'
import type { System } from '../../system/system.ts'

/** What is to be loaded. Without `entry`, `kernel` and `target`: the boot loader's default if it says one, else the newest. */
export interface PlanOptions {
  /** A boot entry: 'newest', 'default', 'running', an id, a title, a kernel version, or a number of the list: '2' or '#2'. */
  readonly entry?: string
  /** A kernel instead of an entry: a file, bytes in memory, an open file, or a stream that is read to its end. */
  readonly kernel?: ImageInput
  /** Either, as the command line takes it: an entry's id or title; else with a slash a file; else an entry; else a file of that name. */
  readonly target?: string
  /** Initrds in order, in place of the entry's and the image's own; given as a kernel is. */
  readonly initrds?: readonly ImageInput[]
  /** Which profile of a unified kernel image: the number after `@` in its entry's id. Without one, the first. */
  readonly profile?: number
  /** Which configuration of a FIT image. Without one, the first for this machine, else the image's default. */
  readonly configuration?: string
  /** The vendor_boot image that belongs to an Android boot image from version 3 on; given as a kernel is. */
  readonly vendorBoot?: ImageInput
  /** Load without an initrd, even when the entry has one. */
  readonly noInitrd?: boolean
  /** Files to add to the initrd, in memory, over what is in it. A string is `SRC` or `SRC:DEST`. */
  readonly overlay?: readonly (Overlay | string)[]
  /** Take the running kernel's command line, without what belongs to the boot that was. */
  readonly reuseCommandLine?: boolean
  /** Take this command line, in place of the entry's own. */
  readonly commandLine?: string
  /** Take this text, to the letter: it is not parsed, and `remove` and `append` do not apply. */
  readonly exactCommandLine?: string
  /** Parameters to add, after `remove`. */
  readonly append?: string | readonly string[]
  /** Keys (or whole `key=value` pairs) to take away. */
  readonly remove?: string | readonly string[]
  /** A device tree file, in place of the running tree. kexec_file_load takes none: this needs the engine `segments`, on arm64. */
  readonly devicetree?: string
  /** Load as the crash kernel, to be started by a panic. */
  readonly panic?: boolean
  /** Which syscall loads it. 'auto' chooses. */
  readonly engine?: 'auto' | 'file' | 'segments'
  /** Make the reboot as short as the policy allows: what can be done before it is done before it. The plan tells what, and at what price. */
  readonly fast?: boolean
  /** With the engine `segments`: hash all that is loaded before the new kernel starts, and rather stop the machine than start what was overwritten. The engine `file` always does. */
  readonly verifyInPurgatory?: boolean
  /** Ask the kernel although its policy says that it will refuse: that is then a warning, no refusal. */
  readonly tryAnyway?: boolean
  /** The machine to plan for: a folder or a System; '/' when absent. */
  readonly root?: string | System
  /** Ends the planning early. */
  readonly signal?: AbortSignal
}

/** An option as a list: one value or several are given the same way. */
export function listOf(option: string | readonly string[] | undefined): readonly string[] {
  return typeof option === 'string' ? [option] : (option ?? [])
}
