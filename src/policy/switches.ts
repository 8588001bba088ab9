import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'

/** Present when the kernel has kexec, and 1 when loading is switched off until the next boot. */
export const DISABLED = '/proc/sys/kernel/kexec_load_disabled'
/** Loads still allowed, -1 for any number; since 6.3. */
export const LIMIT = {
  normal: '/proc/sys/kernel/kexec_load_limit_reboot',
  panic: '/proc/sys/kernel/kexec_load_limit_panic',
}
const LOCKDOWN = '/sys/kernel/security/lockdown'

/** The kernel's own switches that refuse a load whoever asks: Documentation/admin-guide/sysctl/kernel.rst. */
export interface KernelSwitches {
  /** False when the running kernel has no kexec at all (CONFIG_KEXEC_CORE): then the sysctl does not exist. */
  readonly supported: boolean
  readonly disabled: boolean
  /** Loads still allowed; null when unlimited or the kernel (before 6.3) has no such limit. */
  readonly loadsLeft: number | null
  /** 'none', 'integrity', 'confidentiality', or null when the kernel has no lockdown or it cannot be read. */
  readonly lockdown: string | null
  readonly evidence: readonly Evidence[]
}

/** Reads the switches for a normal load, or with `panic` for a crash kernel. */
export function readSwitches(system: System, panic: boolean): KernelSwitches {
  const evidence: Evidence[] = []
  const read = (source: string) => {
    const value = system.readText(source)?.trim()
    if (value !== undefined) evidence.push({ source, value })
    return value
  }
  const disabled = read(DISABLED)
  const limit = read(panic ? LIMIT.panic : LIMIT.normal)
  const lockdown = read(LOCKDOWN)
  return {
    // /proc may be hidden in a container: only a readable /proc/sys that lacks the switch says there is no kexec.
    supported: disabled !== undefined || system.stat('/proc/sys/kernel') === undefined,
    disabled: disabled === '1',
    loadsLeft: limit === undefined || Number(limit) < 0 ? null : Number(limit),
    lockdown: /\[(\w+)\]/.exec(lockdown ?? '')?.[1] ?? null,
    evidence,
  }
}
