import type { FileTree } from '../initramfs/tree.ts'

/** What a guest runs as PID 1, and what completes the packages to a system that boots. One file of this folder each. */
export interface Userland {
  /** What `buildGuest` takes. */
  readonly name: string
  /** Debian packages to unpack, beside what these depend on. Those marked essential are named by nobody's Depends. */
  readonly packages: readonly string[]
  /** Debian suites that have them, where the machine's own release does not. */
  readonly suites?: readonly string[]
  /** Adds what the packages' maintainer scripts would have made, and the agent as a service. `base` is there already. */
  complete(tree: FileTree, programs: Programs): void
}

/** The host's busybox-static, and the names it answers to. */
export interface Programs {
  readonly busybox: string
  readonly applets: readonly string[]
}

/** Names that belong to the init system: busybox must not stand in for them. */
export const initPrograms = ['init', 'linuxrc', 'halt', 'poweroff', 'reboot', 'shutdown', 'telinit', 'runlevel']
