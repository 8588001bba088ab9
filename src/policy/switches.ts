import type { System } from '../system/system.ts'

/** Present when the kernel has kexec, and 1 when loading is switched off until the next boot. */
export const DISABLED = '/proc/sys/kernel/kexec_load_disabled'

/** Loads still allowed, -1 for any number; since 6.3. Documentation/admin-guide/sysctl/kernel.rst */
export const LIMIT = {
  normal: '/proc/sys/kernel/kexec_load_limit_reboot',
  panic: '/proc/sys/kernel/kexec_load_limit_panic',
}

/** Loads still allowed; null for any number, and for a kernel that has no limit or does not show it. */
export function readLoadsLeft(system: System, panic: boolean): number | null {
  const text = system.readText(panic ? LIMIT.panic : LIMIT.normal)?.trim()
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}
