import { posix } from 'node:path'
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
  const mounts = fromMountInfo(system) ?? fromFstab(system)
  if (!mounts.some(({ mountPoint }) => mountPoint === '/'))
    mounts.push({ mountPoint: '/', top: '/', device: null, type: null })
  // Entries for other boot loaders, which systemd takes for the ESP's; the tmpfs around it holds no others.
  if (system.exists(RUN_ENTRIES)) mounts.push({ mountPoint: RUN_ENTRIES, top: '/', device: null, type: null })
  // Partitions for booting are mounted near the top; a machine with many containers has thousands of mounts far below it.
  mounts.sort((one, other) => one.mountPoint.length - other.mountPoint.length)
  return mounts.slice(0, MAX_MOUNTS).sort((one, other) => other.mountPoint.length - one.mountPoint.length)
}

/** proc_pid_mountinfo(5). A later mount hides an earlier one at the same place. */
function fromMountInfo(system: System): Mount[] | undefined {
  const all = (system.readText('/proc/self/mountinfo') ?? '').split('\n').flatMap(mountOfLine)
  const byPlace = new Map<string, Mount>()
  for (const mount of insideRoot(all, system)) {
    if (mount.type === null || !pseudo.has(mount.type) || mount.mountPoint === '/') byPlace.set(mount.mountPoint, mount)
  }
  return byPlace.size === 0 ? undefined : [...byPlace.values()]
}

function mountOfLine(line: string): Mount[] {
  const fields = line.split(' ')
  const separator = fields.indexOf('-', 6)
  const [top, mountPoint] = [fields[3], fields[4]]
  if (separator < 0 || top === undefined || mountPoint === undefined) return []
  const device = fields[separator + 2]
  return [
    {
      mountPoint: unescapeOctal(mountPoint),
      top: unescapeOctal(top),
      device: device === undefined || device === 'none' ? null : unescapeOctal(device),
      type: fields[separator + 1] ?? null,
    },
  ]
}

/**
 * Mount points as seen inside the root. A /proc that is mounted in a directory for a chroot shows the host's,
 * /mnt/boot; the file of a captured tree shows that tree's own.
 */
function insideRoot(mounts: readonly Mount[], { isLive, root }: System): readonly Mount[] {
  if (isLive) return mounts
  const below = mounts.filter(({ mountPoint }) => mountPoint === root || mountPoint.startsWith(`${root}/`))
  if (below.length === 0) return mounts
  return below.map((mount) => ({ ...mount, mountPoint: mount.mountPoint.slice(root.length) || '/' }))
}

/** fstab(5): the mounts at boot. */
function fromFstab(system: System): Mount[] {
  const mounts = new Map<string, Mount>()
  for (const line of (system.readText('/etc/fstab') ?? '').split('\n')) {
    const [device, mountPoint, type, options] = line.trim().split(/\s+/)
    if (device === undefined || device.startsWith('#') || !mountPoint?.startsWith('/')) continue
    if (type === undefined || pseudo.has(type) || type === 'swap') continue
    const subvolume = /(?:^|,)subvol=([^,]*)/.exec(options ?? '')?.[1]
    const place = posix.normalize(unescapeOctal(mountPoint)).replace(/(.)\/$/, '$1')
    mounts.set(place, {
      mountPoint: place,
      top: subvolume === undefined ? '/' : posix.join('/', unescapeOctal(subvolume)),
      device: unescapeOctal(device.replace(/"/g, '')),
      type,
    })
  }
  return [...mounts.values()]
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
