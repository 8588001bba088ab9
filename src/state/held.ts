import { type LoadStatus, status } from '../system/kexec-state.ts'
import type { System } from '../system/system.ts'
import { heldImage, imagePointers } from './fingerprint.ts'
import { StateFolder } from './folder.ts'
import type { ImageKind } from './record.ts'

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
  const held = heldImage(imagePointers(system, new StateFolder(system)), kind)
  return 'unreadable' in held ? null : 'fingerprint' in held
}
