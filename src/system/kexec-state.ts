import { System } from './system.ts'

/** The kernel's state in sysfs. */
export interface LoadStatus {
  /** A kernel is loaded and would be started by `exec` or `reboot`; null when that cannot be read, as without /sys. */
  readonly loaded: boolean | null
  /** A crash kernel is loaded and would be started by a panic; null when that cannot be read. */
  readonly crashLoaded: boolean | null
  /** Memory reserved for a crash kernel, bytes; null when the kernel does not show it. */
  readonly crashSize: number | null
  /** False when the kernel has no kexec: then nothing can be loaded. Null when that cannot be read. */
  readonly supported: boolean | null
}

/**
 * Reads the loaded state: /sys/kernel/kexec_* (Documentation/ABI/testing/sysfs-kernel-kexec-kdump); newer kernels also
 * /sys/kernel/kexec/*.
 */
export function status(system: System = new System()): LoadStatus {
  const read = (old: string, current: string) =>
    (system.readText(`/sys/kernel/${old}`) ?? system.readText(`/sys/kernel/kexec/${current}`))?.trim()
  const loaded = read('kexec_loaded', 'loaded')
  const crashLoaded = read('kexec_crash_loaded', 'crash_loaded')
  const crashSize = read('kexec_crash_size', 'crash_size')
  const supported = loaded !== undefined || isSupported(system)
  /** A kernel without kexec has nothing loaded; an unreadable state is unknown. */
  const flag = (text: string | undefined) =>
    text === '1' || text === '0' ? text === '1' : supported === false ? false : null
  return {
    loaded: flag(loaded),
    crashLoaded: crashLoaded === undefined && loaded !== undefined ? false : flag(crashLoaded),
    crashSize: crashSize === undefined || !/^\d{1,15}$/.test(crashSize) ? null : Number(crashSize),
    supported,
  }
}

/**
 * Whether the kernel has kexec where /sys/kernel/kexec_loaded cannot be read. Its absence is conclusive only where
 * sysfs is mounted, so that /sys/kernel exists. The sysctl came with Linux 3.14.
 */
function isSupported(system: System): boolean | null {
  if (system.exists('/proc/sys/kernel/kexec_load_disabled')) return true
  const isThere = ['/sys/kernel/kexec_loaded', '/sys/kernel/kexec/loaded'].some((path) => system.exists(path))
  if (isThere) return true
  return system.stat('/sys/kernel')?.isDirectory() ? false : null
}
