import { bootIdOf } from '../state/record.ts'
import type { System } from '../system/system.ts'

/**
 * Shows hook scripts that `linux-kexec reboot` made the request, so that they never fall through to the firmware: one
 * line, 'kexec', or 'kexec-or-firmware' with --allow-firmware-reboot, then the id of the boot that will end. /run is
 * not a tmpfs on every machine, so a mark of an earlier boot requests nothing.
 */
export const MARK_FILE = '/run/linux-kexec/handover'

/** Whether a reboot of this boot was requested. */
export function isAsked(system: System): boolean {
  const [, boot] = system.readText(MARK_FILE)?.trim().split(' ') ?? []
  return boot !== undefined && boot === bootIdOf(system)
}
