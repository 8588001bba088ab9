import { posix } from 'node:path'
import type { System } from '../../system/system.ts'
import { Budget } from '../model/budget.ts'
import { FileIndex } from './file-index.ts'
import { type Mount, readMounts } from './mounts.ts'
import { unescapeHex } from './udev-names.ts'

/** A boot loader's name for a file system. `device` is a name below /dev ('/dev/sda2') or a Linux root= form of it. */
export interface VolumeName {
  readonly uuid?: string
  readonly label?: string
  readonly partuuid?: string
  readonly partlabel?: string
  readonly device?: string
}

/** A file system that boot loaders name, and its mounts in the system. */
export interface Volume {
  /** For messages: '/dev/sda2', 'UUID=1234-ABCD'. */
  readonly name: string
  /** Number of the partition on its disk, from 1, or null: it is not a partition, or unknown. */
  readonly partition: number | null
  /** The mounts of it, or of its parts; empty when it exists but is not mounted. */
  readonly mounts: readonly Mount[]
}

/** The place of a boot loader's path in the system's own tree. */
export interface Location {
  readonly path: string
  /** Whether the file exists. */
  readonly exists: boolean
}

/** A device in fstab, named by its contents. */
const isSpec = /^(?:UUID|LABEL|PARTUUID|PARTLABEL)=/i

const links = {
  uuid: 'by-uuid',
  label: 'by-label',
  partuuid: 'by-partuuid',
  partlabel: 'by-partlabel',
} as const satisfies Record<Exclude<keyof VolumeName, 'device'>, string>

/** Where distributions mount the partitions that boot loaders read. */
const usualMountPoints = ['/', '/boot', '/efi', '/boot/efi', '/boot/firmware', '/esp'] as const

/**
 * A directory at the top of a partition that holds a boot loader's configuration; the part before it is the mount
 * point.
 */
const configDirectories = /^(.*)\/(?:grub2?|loader|extlinux|syslinux|isolinux|efi|limine)(?:\/.*)?$/i

/**
 * The file systems of a system, and the conversion of a boot loader's path, from the top of its file system, to the
 * path in the running system's tree.
 */
export class Volumes {
  /** The deepest mount point first. */
  readonly mounts: readonly Mount[]
  readonly files: FileIndex
  private readonly system: System
  private readonly byName = new Map<string, Volume | undefined>()
  private readonly located = new Map<string, Location>()
  private readonly directories = new Map<string, readonly string[]>()
  private readonly names = new Map<string, Set<string>>()
  private readonly budget: Budget

  constructor(system: System, budget = new Budget()) {
    this.system = system
    this.budget = budget
    this.files = new FileIndex(system)
    this.mounts = readMounts(system)
  }

  /** Whether the system shows all its file systems; if not, those that `find` does not know may still exist. */
  get areAllKnown(): boolean {
    return this.linksIn('/dev/disk/by-uuid').length > 0
  }

  /**
   * The file system of that name, according to /dev/disk/by-* or fstab. Undefined when there is none, and when it is
   * unknown: see `areAllKnown`.
   */
  find(name: VolumeName): Volume | undefined {
    const key = JSON.stringify(name)
    if (!this.byName.has(key)) this.byName.set(key, this.look(name))
    return this.byName.get(key)
  }

  /** The UUID or label of a file system or its partition, if known. */
  nameBy(kind: keyof typeof links, { name, mounts }: Volume): string | undefined {
    const devices = [name, ...mounts.map(({ device }) => device ?? '')]
    const spec = new RegExp(`^${kind}=(.*)$`, 'i')
    for (const device of devices) {
      const value = spec.exec(device)?.[1]
      if (value !== undefined) return value
      const names = this.deviceNames(device)
      const directory = `/dev/disk/${links[kind]}`
      const link = this.linksIn(directory).find((entry) => {
        const target = this.system.readLink(posix.join(directory, entry))
        return target !== undefined && names.has(posix.basename(target))
      })
      if (link !== undefined) return unescapeHex(link)
    }
    return undefined
  }

  /** Every file system that is a partition of this number, from 1: the possible meanings of `(hd0,gpt2)`. */
  partitions(number: number): Volume[] {
    const found = new Map<string, Volume>()
    if (!this.budget.take('steps', Math.ceil(this.mounts.length / 8))) return []
    for (const { device } of this.mounts) {
      if (device === null) continue
      const volume = this.find({ device })
      if (volume !== undefined && volume.partition === number) found.set(volume.name, volume)
    }
    return [...found.values()]
  }

  /** Whether any disk has a partition of this number, mounted or not, as far as `areAllKnown`. */
  hasPartition(number: number): boolean {
    const directory = '/dev/disk/by-uuid'
    return this.system
      .list(directory)
      .some((uuid) => partitionOf(this.system.readLink(posix.join(directory, uuid))) === number)
  }

  /** Whether the number of each mounted partition is known: another number is then none of them. */
  get areNumbersKnown(): boolean {
    return this.mounts.every(
      ({ device, type }) =>
        // A pool names no partition.
        type !== 'zfs' && device !== null && ![...this.deviceNames(device)].every((name) => isSpec.test(name)),
    )
  }

  /** The mount that a path of the system's tree lies in. */
  mountOf(path: string): Mount {
    const mount = this.mounts.find(({ mountPoint }) => isWithin(path, mountPoint))
    return mount ?? { mountPoint: '/', top: '/', device: null, type: null }
  }

  /** The file system that a path of the system's tree lies on. */
  volumeOf(path: string): Volume {
    const mount = this.mountOf(path)
    return (
      (mount.device === null ? undefined : this.find({ device: mount.device })) ?? {
        name: mount.device ?? mount.mountPoint,
        partition: null,
        mounts: [mount],
      }
    )
  }

  /**
   * Finds a file that a boot loader names.
   * @param path from the top of a file system, `/` or `\` between its parts.
   * @param config file, in the system's tree, that names it: its paths lie on the same file system, unless `volume`
   *   says otherwise.
   * @param volume the file system the boot loader looks on.
   * @returns its place; if it is missing, the place where it should be; for a file system that is not mounted, the
   *   device in parentheses and the path on it, as in '(/dev/sda2)/boot/vmlinuz', which is nowhere in the tree.
   */
  locate(path: string, config: string, volume?: Volume): Location {
    const key = `${path}\0${config.slice(0, config.lastIndexOf('/'))}\0${volume?.name ?? ''}`
    let location = this.located.get(key)
    if (location === undefined) {
      const clean = posix.normalize(posix.join('/', path.replace(/\\/g, '/')))
      location = this.search(clean, config, volume)
      this.located.set(key, location)
    }
    return location
  }

  private search(path: string, config: string, volume: Volume | undefined): Location {
    if (volume !== undefined && this.isElsewhere(volume)) return { path: `(${volume.name})${path}`, exists: false }
    const candidates = [...new Set(this.candidates(path, config, volume))]
    const exact = candidates.find((candidate) => this.files.has(candidate))
    if (exact !== undefined) return { path: exact, exists: true }
    for (const candidate of candidates) {
      const spelled = this.files.ignoringCase(candidate)
      if (spelled !== undefined) return { path: spelled, exists: true }
    }
    return { path: this.expected(path, config, volume) ?? candidates[0] ?? path, exists: false }
  }

  /**
   * Whether a file system exists, but is not mounted: another system's /boot/vmlinuz must not be taken for the same
   * name here. It counts only where /dev/disk shows the root's own device.
   */
  private isElsewhere(volume: Volume): boolean {
    if (volume.mounts.length > 0) return false
    const root = this.mountOf('/').device
    if (root === null) return false
    const names = this.deviceNames(root)
    return this.linksIn('/dev/disk/by-uuid').some((uuid) =>
      names.has(posix.basename(this.system.readLink(posix.join('/dev/disk/by-uuid', uuid)) ?? '')),
    )
  }

  /** Where a missing file should be when the mounts are unknown: on the file system of its configuration. */
  private expected(path: string, config: string, volume: Volume | undefined): string | undefined {
    const top = configDirectories.exec(posix.dirname(config))?.[1]
    if (volume !== undefined || this.mountOf(config).device !== null || top === undefined) return undefined
    return isWithin(path, top === '' ? '/' : top) ? undefined : posix.join(top, path)
  }

  /** Possible places of a path, the likeliest first. */
  private candidates(path: string, config: string, volume: Volume | undefined): string[] {
    // Of btrfs subvolumes that hold the path the innermost counts: the root's own, not one below a mount of the whole.
    const mounts = [...(volume?.mounts ?? [this.mountOf(config)])].sort(
      (one, other) => other.top.length - one.top.length,
    )
    const candidates = mounts.flatMap((mount) => {
      const below = beneath(path, mount.top)
      return below === undefined ? [] : [posix.join(mount.mountPoint, below)]
    })
    // btrfs: a path may also start from the default subvolume, which is the mounted one.
    for (const mount of mounts) if (mount.top !== '/') candidates.push(posix.join(mount.mountPoint, path))
    const known = volume?.mounts.some(({ device }) => device !== null)
    if (known && this.system.isLive) return candidates
    // A captured tree may lack the signs of its file systems, or be one partition of several.
    const top = configDirectories.exec(posix.dirname(config))?.[1]
    const tops = [...(top === undefined ? [] : [top]), ...usualMountPoints]
    candidates.push(...tops.map((directory) => posix.join(directory, path)))
    const inSubvolume = withoutSubvolume(path)
    if (inSubvolume !== undefined) candidates.push(...tops.map((directory) => posix.join(directory, inSubvolume)))
    return candidates
  }

  private look(name: VolumeName): Volume | undefined {
    if (!this.budget.take('steps', this.mounts.length)) return undefined
    for (const [kind, directory] of Object.entries(links)) {
      const value = name[kind as keyof VolumeName]
      if (value === undefined) continue
      const device = this.linkedDevice(`/dev/disk/${directory}`, value)
      const spec = `${kind.toUpperCase()}=${value}`
      const mounts = this.mounts.filter(
        (mount) =>
          mount.device !== null &&
          (sameName(mount.device, spec) || (device !== undefined && this.deviceNames(mount.device).has(device))),
      )
      if (device === undefined && mounts.length === 0) continue
      return { name: device === undefined ? spec : `/dev/${device}`, partition: partitionOf(device), mounts }
    }
    return name.device === undefined ? undefined : this.byDevice(name.device)
  }

  private byDevice(device: string): Volume | undefined {
    const spec = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/i.exec(device)
    if (spec !== null) {
      const kind = (spec[1] as string).toLowerCase()
      return this.look({ [kind]: spec[2] as string })
    }
    const names = this.deviceNames(device)
    const mounts = this.mounts.filter(
      (mount) => mount.device !== null && [...this.deviceNames(mount.device)].some((name) => names.has(name)),
    )
    if (mounts.length === 0 && !this.system.exists(device)) return undefined
    return { name: device, partition: partitionOf([...names].at(-1)), mounts }
  }

  /** The kernel's name of the device that a /dev/disk link leads to: 'sda2', 'dm-0'. */
  private linkedDevice(directory: string, value: string): string | undefined {
    const name = this.linksIn(directory).find((candidate) => sameName(unescapeHex(candidate), value))
    if (name === undefined) return undefined
    const target = this.system.readLink(posix.join(directory, name))
    return target === undefined ? undefined : posix.basename(target)
  }

  /**
   * Names in a directory of /dev/disk, which is read once. Each search takes steps; none are found when the budget is
   * used up.
   */
  private linksIn(directory: string): readonly string[] {
    const known = this.directories.get(directory) ?? this.system.list(directory)
    this.directories.set(directory, known)
    return this.budget.take('steps', known.length) ? known : []
  }

  private deviceNames(device: string): Set<string> {
    const known = this.names.get(device) ?? this.lookForNames(device)
    this.names.set(device, known)
    return known
  }

  /** A device's own name and the targets of its links: /dev/mapper/vg-root is dm-0 too. */
  private lookForNames(device: string): Set<string> {
    const spec = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/i.exec(device)
    if (spec !== null) {
      const directory = links[(spec[1] as string).toLowerCase() as keyof typeof links]
      const linked = this.linkedDevice(`/dev/disk/${directory}`, spec[2] as string)
      return new Set(linked === undefined ? [device] : [device, linked])
    }
    const target = this.system.readLink(device)
    return new Set([posix.basename(device), ...(target === undefined ? [] : [posix.basename(target)])])
  }
}

/** Number of a partition by the kernel's name: sda2, nvme0n1p2, mmcblk0p1, vda1; null for dm-0 and whole disks. */
function partitionOf(device: string | undefined): number | null {
  const digits = /^(?:[shv]d[a-z]+|xvd[a-z]+|(?:nvme\d+n\d+|mmcblk\d+|md\d+|loop\d+|nbd\d+)p)(\d+)$/.exec(
    posix.basename(device ?? ''),
  )?.[1]
  return digits === undefined ? null : Number(digits)
}

function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`)
}

/** The rest of a path below a directory, or undefined when it is not below it. */
function beneath(path: string, directory: string): string | undefined {
  if (!isWithin(path, directory)) return undefined
  return directory === '/' ? path : path.slice(directory.length) || '/'
}

/** '/boot/vmlinuz' of '/@/boot/vmlinuz', '/@rootfs/boot/vmlinuz', '/@/.snapshots/1/snapshot/boot/vmlinuz', 'pool@/boot/…'. */
function withoutSubvolume(path: string): string | undefined {
  const inner = /^(?:\/[^/]*@[^/]*)?(?:\/\.snapshots\/\d+\/snapshot)?(\/.+)$/.exec(path)?.[1]
  if (inner !== undefined && inner !== path) return inner
  return /^\/[^/]+(\/boot\/.+)$/.exec(path)?.[1] ?? /@(\/.+)$/.exec(path)?.[1]
}

/** UUIDs and FAT serial numbers may be in either letter case. */
function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
