import { readFileSync, writeFileSync } from 'node:fs'
import { DISABLED } from '../../policy/limits/switches.ts'

/**
 * Makes the kernel refuse every further load and unload (Documentation/admin-guide/sysctl/kernel.rst,
 * kexec_load_disabled). It cannot be undone, and need not be: this kernel is about to end. Without the loaded kernel,
 * most init systems would end in a reboot through the firmware. Where the file cannot be written, the hooks must
 * suffice.
 * @returns whether it is in force now
 */
export function keepLoaded(report: (step: string) => void): boolean {
  try {
    // The kernel refuses to write a 1 over a 1.
    if (readFileSync(DISABLED, 'latin1').trim() === '1') return true
    writeFileSync(DISABLED, '1')
    report('the loaded kernel can no longer be replaced or unloaded')
    return true
  } catch {
    // Absent, or not writable for us: only this safeguard is lost.
    return false
  }
}
