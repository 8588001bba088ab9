import type { System } from '../system.ts'
import { unescapeOctal } from './octal.ts'

/** The mounts that this process sees: proc_pid_mountinfo(5). */
export const MOUNT_TABLE = '/proc/self/mountinfo'

/** A file system, or a part of one, that is mounted. */
export interface MountedFileSystem {
  readonly mountPoint: string
  /** The mounted directory of the file system: '/' for all of it, '/@' for a btrfs subvolume. */
  readonly top: string
  readonly type: string
  /** '/dev/sda2', '/dev/mapper/vg-root', 'server:/export'; null for a file system without one. */
  readonly device: string | null
  /** Whether both the mount and its file system are. */
  readonly readOnly: boolean
}

/**
 * All mounts in the order they were made, so that a later one hides an earlier one at the same place; undefined where
 * they cannot be read.
 */
export function readMountTable(system: System): MountedFileSystem[] | undefined {
  return system.readText(MOUNT_TABLE)?.split('\n').flatMap(mountOfLine)
}

function mountOfLine(line: string): MountedFileSystem[] {
  const fields = line.split(' ')
  // Optional fields end with a single dash; the first of them would be the seventh.
  const dash = fields.indexOf('-', 6)
  const [top, mountPoint, options] = fields.slice(3, 6)
  const [type, device, superOptions] = fields.slice(dash + 1)
  if (dash < 0 || top === undefined || mountPoint === undefined || options === undefined || type === undefined)
    return []
  return [
    {
      mountPoint: unescapeOctal(mountPoint),
      top: unescapeOctal(top),
      type,
      device: device === undefined || device === 'none' ? null : unescapeOctal(device),
      readOnly: options.split(',').includes('ro') && (superOptions ?? '').split(',').includes('ro'),
    },
  ]
}

/** The mount that a path lies on: of those above it the deepest, and of two on one directory the later. */
export function mountOf(all: readonly MountedFileSystem[], path: string): MountedFileSystem | undefined {
  let found: MountedFileSystem | undefined
  for (const mount of all) {
    const holds = mount.mountPoint === '/' || path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`)
    if (holds && (found === undefined || mount.mountPoint.length >= found.mountPoint.length)) found = mount
  }
  return found
}

/**
 * Mount points as seen inside the root. A /proc that is mounted in a directory for a chroot shows the host's,
 * /mnt/boot; the file of a captured tree shows that tree's own.
 */
export function mountsInside<Mount extends { readonly mountPoint: string }>(
  mounts: readonly Mount[],
  { isLive, root }: System,
): readonly Mount[] {
  if (isLive) return mounts
  const below = mounts.filter(({ mountPoint }) => mountPoint === root || mountPoint.startsWith(`${root}/`))
  if (below.length === 0) return mounts
  return below.map((mount) => ({ ...mount, mountPoint: mount.mountPoint.slice(root.length) || '/' }))
}
