import { readFileSync, writeFileSync } from 'node:fs'
import { DISABLED } from '../../policy/limits/switches.ts'

/**
 * Makes the kernel refuse every further load and unload (Documentation/admin-guide/sysctl/kernel.rst, kexec_load_disabled).
 * It cannot be taken back, and need not be: this kernel is about to end. Without the loaded kernel, most init systems would
 * end in a reboot through the firmware. Where it cannot be written the hooks have to do.
 * @returns whether it is so now
 */
export function keepLoaded(report: (step: string) => void): boolean {
  try {
    // The kernel refuses to write a 1 over a 1.
    if (readFileSync(DISABLED, 'latin1').trim() === '1') return true
    writeFileSync(DISABLED, '1')
    report('the loaded kernel can no longer be replaced or unloaded')
    return true
  } catch {
    // Not there, or not ours to write: nothing is lost but this safeguard.
    return false
  }
}
