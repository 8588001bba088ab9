import { errnoName } from '../../errors.ts'
import { bytesOfText } from '../../exact-text.ts'
import { native } from '../../native.ts'
import { type MountedFileSystem, readMountTable } from '../../system/mounts/mount-table.ts'
import type { System } from '../../system/system.ts'
import { boundedCall } from './bounded-call.ts'

const MNT_DETACH = 2

/** File systems without data to write back: they need no unmounting. */
const VIRTUAL = new Set(
  `autofs bdev binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue
  nsfs pipefs proc pstore ramfs resctrl rootfs rpc_pipefs securityfs selinuxfs sockfs sysfs tmpfs tracefs`.split(/\s+/),
)

/** File systems that hang when their server or daemon is gone, as it is by now. They are only detached. */
const REMOTE = /^(nfs|nfs4|cifs|smb3|smbfs|ceph|9p|virtiofs|afs|gfs2|ocfs2|glusterfs|fuse|fuse\..*|davfs|sshfs)$/

/** The mounts that have to be written back and closed, innermost first; none where they cannot be read. */
export function mountsToClose(system: System): MountedFileSystem[] {
  return (readMountTable(system) ?? []).filter(({ type }) => !VIRTUAL.has(type)).reverse()
}

/** Time for a disk to answer, in milliseconds without any write. */
const SYNC_PATIENCE = 30_000
const UNMOUNT_PATIENCE = 10_000

/** Writes everything to disk. @returns the obstacle to writing, a sentence; undefined when all is written */
export function writeBack(system: System): string | undefined {
  const errno = boundedCall(system, () => native().sync(), SYNC_PATIENCE)
  if (errno === 0) return undefined
  if (errno !== undefined) return `not everything could be written to disk: ${errnoName(errno)}`
  return `a file system does not answer: nothing was written for ${SYNC_PATIENCE / 1000} s, and its unwritten data is lost`
}

/**
 * Unmounts all file systems that it can and remounts the rest read-only, so that every file system is clean. One that
 * does not answer is left as it is.
 * @returns the file systems that could not be made clean, one sentence each
 */
export function closeMounts(system: System): string[] {
  return mountsToClose(system).flatMap((mount) => closeMount(system, mount) ?? [])
}

function closeMount(system: System, { mountPoint, type, readOnly }: MountedFileSystem): string | undefined {
  const call = (start: () => number) => boundedCall(system, start, UNMOUNT_PATIENCE)
  const path = bytesOfText(mountPoint)
  const silent = `${mountPoint} (${type}) does not answer, and is left unchanged`
  if (REMOTE.test(type)) return call(() => native().unmount(path, MNT_DETACH)) === undefined ? silent : undefined
  if (mountPoint !== '/') {
    const errno = call(() => native().unmount(path, 0))
    if (errno === 0) return undefined
    // A remount would wait for the same thing.
    if (errno === undefined) return silent
  }
  if (readOnly) return undefined
  const errno = call(() => native().remountReadOnly(path))
  if (errno === undefined) return silent
  return errno === 0 ? undefined : `${mountPoint} (${type}) could not be remounted read-only: ${errnoName(errno)}`
}
