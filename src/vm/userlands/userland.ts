import type { FileTree } from '../initramfs/tree.ts'

/**
 * A guest's PID 1, and the parts that complete the packages to a system that boots. One file of this directory each.
 */
export interface Userland {
  /** Options of `buildGuest`. */
  readonly name: string
  /** Debian packages to unpack, besides their dependencies. Essential packages appear in nobody's Depends. */
  readonly packages: readonly string[]
  /** Debian suites that have them, where the machine's own release does not. */
  readonly suites?: readonly string[]
  /**
   * Adds the files that the packages' maintainer scripts would have made, and the agent as a service. `base` is there
   * already.
   */
  complete(tree: FileTree, programs: Programs): void
}

/** The host's busybox-static, and its applet names. */
export interface Programs {
  readonly busybox: string
  readonly applets: readonly string[]
}

/** Names that belong to the init system: busybox must not replace them. */
export const initPrograms = ['init', 'linuxrc', 'halt', 'poweroff', 'reboot', 'shutdown', 'telinit', 'runlevel']
