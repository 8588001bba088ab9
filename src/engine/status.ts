import { System } from '../system/system.ts'

/** What the kernel holds, as it tells in sysfs. */
export interface LoadStatus {
  /** A kernel is loaded and would be started by `exec` or `reboot`. */
  readonly loaded: boolean
  /** A crash kernel is loaded and would be started by a panic. */
  readonly crashLoaded: boolean
  /** Memory reserved for a crash kernel, bytes; null when the kernel does not tell. */
  readonly crashSize: number | null
  /** False when the kernel has no kexec: then nothing can be loaded. */
  readonly supported: boolean
}

/** Reads what is loaded: /sys/kernel/kexec_* (Documentation/ABI/testing/sysfs-kernel-kexec-kdump); newer kernels also /sys/kernel/kexec/*. */
export function status(system: System = new System()): LoadStatus {
  const read = (old: string, current: string) =>
    (system.readText(`/sys/kernel/${old}`) ?? system.readText(`/sys/kernel/kexec/${current}`))?.trim()
  const loaded = read('kexec_loaded', 'loaded')
  const crashSize = read('kexec_crash_size', 'crash_size')
  return {
    loaded: loaded === '1',
    crashLoaded: read('kexec_crash_loaded', 'crash_loaded') === '1',
    crashSize: crashSize === undefined ? null : Number(crashSize),
    supported: loaded !== undefined,
  }
}
