import { accessSync, constants } from 'node:fs'
import { join, posix } from 'node:path'
import type { Evidence } from '../../errors.ts'
import { MOUNT_TABLE, mountOf, mountsInside, readMountTable } from '../../system/mounts/mount-table.ts'
import type { System } from '../../system/system.ts'

/** File systems in memory. 'rootfs' is the one that the kernel unpacks the initrd into. */
const IN_MEMORY: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'rootfs'])

/** The file system that the records of trials lie in. */
export interface RecordPlace {
  /** Its mount point and type: '/var tmpfs'. */
  readonly words: string
  /** Whether a reset empties it. Of an overlay that is unknown: where its upper layer lies is often hidden. */
  readonly isInMemory: boolean
  readonly isReadOnly: boolean
  readonly evidence: Evidence
}

/**
 * The file system of a directory, which need not exist; undefined where the mounts are unknown.
 * @param path as seen inside the root
 */
export function recordPlace(system: System, path: string): RecordPlace | undefined {
  const { existing, missing } = nearest(system, path)
  const mounts = mountsInside(readMountTable(system) ?? [], system)
  const mount = mountOf(mounts, posix.join(existing, missing))
  if (mount === undefined) return undefined
  const words = `${mount.mountPoint} ${mount.type}`
  return {
    words,
    isInMemory: IN_MEMORY.has(mount.type),
    isReadOnly: mount.readOnly || isReadOnly(join(system.root, existing)),
    evidence: { source: MOUNT_TABLE, value: `${words}${mount.readOnly ? ' ro' : ''}` },
  }
}

/** The part of a path that exists, without its links, and the rest. */
function nearest(system: System, path: string): { readonly existing: string; readonly missing: string } {
  for (
    let at = path, missing = '';
    at !== '/';
    missing = posix.join(posix.basename(at), missing), at = posix.dirname(at)
  )
    try {
      return { existing: system.resolve(at), missing }
    } catch {
      // It does not exist, or cannot be reached.
    }
  return { existing: '/', missing: path }
}

/** access(2) says so to root as well. */
function isReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS'
  }
}
