import { posix } from 'node:path'
import { readFstab } from '../../system/mounts/fstab.ts'
import { mountsInside, readMountTable } from '../../system/mounts/mount-table.ts'
import { unescapeOctal } from '../../system/mounts/octal.ts'
import type { System } from '../../system/system.ts'

/** A file system, or a part of one, at a place of the system's tree. */
export interface Mount {
  readonly mountPoint: string
  /** The mounted directory of the file system: '/' for all of it, '/@' for a btrfs subvolume. */
  readonly top: string
  /** '/dev/sda2', '/dev/mapper/vg-root', 'UUID=…' as fstab has it; null when unknown. */
  readonly device: string | null
  readonly type: string | null
}

/**
 * The directory that systemd-logind reads in place of the ESP to start a boot loader's entry (`systemctl reboot
 * --boot-loader-entry`).
 */
const RUN_ENTRIES = '/run/boot-loader-entries'
/** The most mounts that are kept: each file of a boot loader is looked for among them. */
const MAX_MOUNTS = 1000

/** Types without boot files; a busy machine has thousands of them mounted. */
const pseudo = new Set(
  'autofs bpf binfmt_misc cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc pstore ramfs securityfs selinuxfs squashfs sysfs tmpfs tracefs'.split(
    ' ',
  ),
)

/**
 * The mounts, the deepest first: /proc/self/mountinfo when the system has one, else the mounts of its fstab. A
 * directory that has neither is one file system.
 */
export function readMounts(system: System): Mount[] {
  const mounts = mountedNow(system) ?? mountedAtBoot(system)
  if (!mounts.some(({ mountPoint }) => mountPoint === '/'))
    mounts.push({ mountPoint: '/', top: '/', device: null, type: null })
  // Entries for other boot loaders, which systemd takes for the ESP's; the tmpfs around it holds no others.
  if (system.exists(RUN_ENTRIES)) mounts.push({ mountPoint: RUN_ENTRIES, top: '/', device: null, type: null })
  // Partitions for booting are mounted near the top; a machine with many containers has thousands of mounts far below it.
  mounts.sort((one, other) => one.mountPoint.length - other.mountPoint.length)
  return mounts.slice(0, MAX_MOUNTS).sort((one, other) => other.mountPoint.length - one.mountPoint.length)
}

/** A later mount hides an earlier one at the same place. */
function mountedNow(system: System): Mount[] | undefined {
  const byPlace = new Map<string, Mount>()
  for (const mount of mountsInside(readMountTable(system) ?? [], system)) {
    if (!pseudo.has(mount.type) || mount.mountPoint === '/') byPlace.set(mount.mountPoint, mount)
  }
  return byPlace.size === 0 ? undefined : [...byPlace.values()]
}

function mountedAtBoot(system: System): Mount[] {
  const mounts = new Map<string, Mount>()
  for (const { mountPoint, device, type, options } of readFstab(system)) {
    if (!mountPoint.startsWith('/') || type === undefined || pseudo.has(type) || type === 'swap') continue
    const subvolume = options.find((option) => option.startsWith('subvol='))?.slice('subvol='.length)
    const top = subvolume === undefined ? '/' : posix.join('/', unescapeOctal(subvolume))
    mounts.set(mountPoint, { mountPoint, top, device, type })
  }
  return [...mounts.values()]
}
