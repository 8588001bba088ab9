import { bootIdOf } from '../state/record.ts'
import type { System } from '../system/system.ts'

/**
 * Tells hook scripts that `linux-kexec reboot` asked, so that they never fall through to the firmware: one line, 'kexec', or
 * 'kexec-or-firmware' with --allow-firmware-reboot, then the id of the boot that is to end. /run is no tmpfs on every machine:
 * what an earlier boot has left there asks for nothing.
 */
export const MARK_FILE = '/run/linux-kexec/handover'

/** Whether a reboot of this boot was asked for. */
export function isAsked(system: System): boolean {
  const [, boot] = system.readText(MARK_FILE)?.trim().split(' ') ?? []
  return boot !== undefined && boot === bootIdOf(system)
}
