import type { BootProblem } from './problem.ts'

/** The kind of configuration that a boot entry was read from. */
export type BootSource =
  | 'bls'
  | 'uki'
  | 'grub'
  | 'grub-legacy'
  | 'extlinux'
  | 'zipl'
  | 'raspberry-pi'
  | 'refind'
  | 'limine'
  | 'kexec-conf'
  | 'boot-dir'
  | 'modules-dir'
  | 'build-tree'

/**
 * One thing this machine can boot, as `list` shows it. Paths are as seen inside the system's root, never the host's. A
 * broken entry is still an entry, with its faults in `problems`.
 */
export interface BootEntry {
  /**
   * Stable name, unique in one list: the boot loader's own name for the entry (GRUB's --id, a Boot Loader Specification
   * file's name, an extlinux label), else the kernel's file name.
   */
  readonly id: string
  readonly title: string
  /** Titles of the entry's submenus, the outermost first. */
  readonly submenus: readonly string[]
  /**
   * Kernel release as `uname -r` would print it, or null when neither the image, the configuration nor a name shows it.
   */
  readonly version: string | null
  readonly source: BootSource
  /** Every source that gave this entry, `source` first. */
  readonly sources: readonly BootSource[]
  /** The file or directory that defines the entry. */
  readonly config: string
  /** Null for an entry that starts no Linux kernel: another boot loader, the firmware's setup, power off. */
  readonly kernel: string | null
  /** In the order they are to be loaded: microcode first. */
  readonly initrds: readonly string[]
  /** The command line the boot loader would pass; null when the source has none (a kernel merely lying in /boot). */
  readonly commandLine: string | null
  readonly deviceTree: string | null
  /** Number of the profile of a unified kernel image; null for other images, and for an image without profiles. */
  readonly profile: number | null
  /** As uname -m prints it ('x86_64', 'aarch64', 'riscv64', …), or null when unknown. */
  readonly architecture: string | null
  /** Whether the boot loader in charge would boot it next. */
  readonly isDefault: boolean
  readonly isRunning: boolean
  readonly isNewest: boolean
  /**
   * Why `newest` never means this entry, for any version. Completes a sentence about the entry: 'a snapshot: …',
   * 'another root file system: …', 'a recovery mode'. Null when its version counts.
   */
  readonly passedOver: string | null
  readonly problems: readonly BootProblem[]
}
