import { errnoName } from '../errors.ts'
import { native } from '../native.ts'
import type { System } from '../system/system.ts'

const MNT_DETACH = 2

/** File systems without anything to write back: they need no unmounting. */
const VIRTUAL = new Set(
  `autofs bdev binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue
  nsfs pipefs proc pstore ramfs resctrl rootfs rpc_pipefs securityfs selinuxfs sockfs sysfs tmpfs tracefs`.split(/\s+/),
)

/** File systems that hang when their server or daemon is gone, as it is by now: they are only detached. */
const REMOTE = /^(nfs|nfs4|cifs|smb3|smbfs|ceph|9p|virtiofs|afs|gfs2|ocfs2|glusterfs|fuse|fuse\..*|davfs|sshfs)$/

export interface Mount {
  readonly target: string
  readonly type: string
  readonly readOnly: boolean
}

/** The mounts that have to be written back and closed, innermost first. */
export function mountsToClose(system: System): Mount[] {
  return mounts(system)
    .filter(({ type }) => !VIRTUAL.has(type))
    .reverse()
}

/** All mounts in the order they were made; none where they cannot be read. Format: proc_pid_mountinfo(5). */
export function mounts(system: System): Mount[] {
  const found: Mount[] = []
  for (const line of (system.readText('/proc/self/mountinfo') ?? '').split('\n')) {
    const fields = line.split(' ')
    const dash = fields.indexOf('-')
    const [target, options, type, superOptions] = [fields[4], fields[5], fields[dash + 1], fields[dash + 3]]
    if (dash < 0 || target === undefined || options === undefined || type === undefined) continue
    const readOnly = options.split(',').includes('ro') && (superOptions ?? '').split(',').includes('ro')
    found.push({ target: unescapeOctal(target), type, readOnly })
  }
  return found
}

/**
 * Unmounts what can be unmounted and remounts the rest read-only, so that every file system is clean.
 * @returns what could not be made clean, one sentence each
 */
export function closeMounts(system: System): string[] {
  const failures: string[] = []
  for (const { target, type, readOnly } of mountsToClose(system)) {
    if (REMOTE.test(type)) {
      native().unmount(target, MNT_DETACH)
      continue
    }
    if (target !== '/' && native().unmount(target, 0) === 0) continue
    if (readOnly) continue
    const errno = native().remountReadOnly(target)
    if (errno !== 0) failures.push(`${target} (${type}) could not be remounted read-only: ${errnoName(errno)}`)
  }
  return failures
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
