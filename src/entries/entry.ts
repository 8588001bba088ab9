/** Which kind of configuration a boot entry was read from. */
export type Source = 'boot-dir' | 'modules-dir'

/**
 * One thing this machine can boot, as `list` shows it. Paths are as seen inside the system's root, never the host's.
 * A broken entry is still an entry: what is wrong with it stands in `problems`, one plain sentence each.
 */
export interface BootEntry {
  /** Stable name, unique in one list: for boot-dir and modules-dir entries the file name of the kernel or `modules/VERSION`. */
  readonly id: string
  readonly title: string
  /** Kernel release as `uname -r` would print it, or null when neither the image nor the file name tells. */
  readonly version: string | null
  readonly source: Source
  /** The file or folder that defines the entry. */
  readonly config: string
  readonly kernel: string
  /** In the order they are to be loaded: microcode first. */
  readonly initrds: readonly string[]
  /** The command line the boot loader would pass; null when the source has none (a kernel merely lying in /boot). */
  readonly cmdline: string | null
  readonly devicetree: string | null
  /** As uname -m prints it ('x86_64', 'aarch64', 'riscv64', …), or null when the image does not tell. */
  readonly architecture: string | null
  readonly isDefault: boolean
  readonly isRunning: boolean
  readonly isNewest: boolean
  readonly problems: readonly string[]
}
