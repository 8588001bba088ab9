import { type LoadStatus, status } from '../system/kexec-state.ts'
import type { System } from '../system/system.ts'
import { heldImage, imagePointers } from './fingerprint.ts'
import type { ImageKind } from './record.ts'
import { StateDirectory } from './state-directory.ts'

/** The missing source where neither shows whether an image is loaded. */
export const UNREADABLE =
  'Whether a kernel is loaded is unknown: /sys/kernel/kexec_loaded cannot be read. To mount it: mount -t sysfs sysfs /sys'

/**
 * Whether the kernel holds an image: according to /sys, or where that cannot be read, to the kernel's own memory.
 * @returns null when neither can be read
 */
export function isHeld(system: System, kind: ImageKind, reported: LoadStatus = status(system)): boolean | null {
  const isLoaded = kind === 'kernel' ? reported.loaded : reported.crashLoaded
  if (isLoaded !== null || !system.isLive) return isLoaded
  const held = heldImage(imagePointers(system, new StateDirectory(system)), kind)
  return 'unreadable' in held ? null : 'fingerprint' in held
}
