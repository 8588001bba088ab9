import { posix } from 'node:path'
import type { Survey } from '../survey.ts'
import type { Volume, VolumeName } from '../volumes.ts'

/** Where a file that GRUB names is. */
export interface GrubFile {
  /** In the system's own tree. */
  readonly path: string
  readonly exists: boolean
  /** Why it cannot be reached from this system; the path is then the one GRUB names. */
  readonly problem: string | null
}

/** Patterns beyond these are no file names, and would take long to match. */
const MAX_PATTERN = 255
const MAX_STARS = 4

/** Files that one pattern may stand for. */
const MAX_FILES = 1000

/** What a search finds, as the name of a device that this interpreter makes up; or that it finds nothing. */
export type Found = string | undefined

/**
 * GRUB's devices and what they are here. Disks are numbered by the firmware, `hd0`, so what `search` finds has names of our
 * own: `uuid/…`, `label/…` and `mount/…`.
 */
export class Devices {
  private readonly survey: Survey
  /** The configuration that GRUB starts from: it names files of its own file system. */
  private readonly config: string
  /** Image files by the names that `loopback` gave them. */
  readonly images = new Map<string, string>()

  constructor(survey: Survey, config: string) {
    this.survey = survey
    this.config = config
  }

  /** The device a file of the system lies on, and its path there. */
  nameOf(path: string): { device: string; path: string } {
    const mount = this.survey.volumes.mountOf(path)
    const below = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length)
    const device = this.numbered(this.survey.volumes.volumeOf(path)) ?? `mount${mount.mountPoint}`
    return { device, path: posix.join('/', mount.top, below) }
  }

  /** @param name as GRUB names it: `(device)/path`, or a path on the device that `root` names. */
  locate(name: string, root: string): GrubFile {
    const [, named, inDevice] = /^\(([^)]*)\)(.*)$/s.exec(name) ?? []
    const device = withoutParentheses(named === undefined || named === '' ? root : named)
    const path = posix.join('/', inDevice ?? name)
    if (/^(?:tftp|http|https|pxe|efinet|net)\d*(?:,|$)/.test(device))
      return { path, exists: false, problem: `${name} is fetched from the network (${device}).` }
    const image = this.images.get(device)
    if (image !== undefined)
      return {
        path,
        exists: false,
        problem: `${name} lies inside of ${image}, an image file that GRUB reads by itself.`,
      }
    if (/^(?:loop\w*|memdisk|proc)$/.test(device))
      return { path, exists: false, problem: `${name} lies inside the image file that GRUB calls (${device}).` }
    const volume = this.volume(device)
    if (volume === undefined && this.isElsewhere(device))
      return { path: `(${spec(device)})${path}`, exists: false, problem: null }
    return { ...this.survey.volumes.locate(path, this.config, volume), problem: null }
  }

  /** The files that a path with `*` and `?` stands for, in order; [] when there are none. */
  glob(pattern: string, root: string): string[] {
    const [, device = '', path] = /^(\([^)]*\))?(\/.*)$/s.exec(pattern) ?? []
    if (path === undefined) return []
    let found = [device]
    for (const part of path.split('/').slice(1)) {
      const wanted = wildcard(part)
      found = found.flatMap((folder) => {
        if (wanted === null) return [`${folder}/${part}`]
        const names = this.survey.system.list(this.locate(`${folder}/`, root).path)
        return names.filter((name) => wanted.test(name)).map((name) => `${folder}/${name}`)
      })
      found.length = Math.min(found.length, MAX_FILES)
    }
    return found.filter((name) => this.locate(name, root).exists)
  }

  test(operator: 'e' | 'f' | 'd' | 's', file: GrubFile): boolean {
    if (!file.exists) return false
    const stats = this.survey.system.stat(file.path)
    if (stats === undefined || operator === 'e') return stats !== undefined
    if (operator === 'd') return stats.isDirectory()
    return stats.isFile() && (operator === 'f' || stats.size > 0)
  }

  /** What `search` does: a file system that nothing here tells of counts as found, unless all are known. */
  search(by: 'uuid' | 'label' | 'file', value: string): Found {
    const { volumes } = this.survey
    if (by === 'file') return this.searchFile(value)
    const volume = volumes.find({ [by]: value })
    if (volume === undefined) return volumes.areAllKnown ? undefined : `${by}/${value}`
    return this.numbered(volume) ?? `${by}/${value}`
  }

  private searchFile(value: string): Found {
    const { volumes } = this.survey
    // GRUB looks at the last partition first.
    const mounted = volumes.mounts
      .map((mount) => ({ mount, partition: volumes.volumeOf(mount.mountPoint).partition ?? 0 }))
      .sort((one, other) => other.partition - one.partition)
    const path = posix.join('/', value)
    for (const { mount } of mounted) {
      const below =
        mount.top === '/' ? path : path.startsWith(`${mount.top}/`) ? path.slice(mount.top.length) : undefined
      if (below !== undefined && volumes.files.has(posix.join(mount.mountPoint, below)))
        return this.nameOf(posix.join(mount.mountPoint, below)).device
    }
    const elsewhere = volumes.areAllKnown ? undefined : volumes.locate(value, this.config)
    return elsewhere?.exists ? this.nameOf(elsewhere.path).device : undefined
  }

  /** What is known of a device: its UUID, its label, or the name GRUB has for the type of its file system. */
  property(kind: 'uuid' | 'label' | 'type', device: string): string | undefined {
    const name = withoutParentheses(device)
    if (kind !== 'type' && name.startsWith(`${kind}/`)) return name.slice(kind.length + 1)
    const volume = this.volume(name)
    if (volume === undefined) return undefined
    if (kind !== 'type') return this.survey.volumes.nameBy(kind, volume)
    const type = volume.mounts[0]?.type ?? undefined
    return type === undefined ? undefined : (fileSystemNames[type] ?? type)
  }

  /**
   * Whether a device is named by what the configuration's own file system is known by, and is not that one: another
   * system's, which os-prober found.
   */
  private isElsewhere(device: string): boolean {
    const kind = /^(uuid|label)\//.exec(device)?.[1] as 'uuid' | 'label' | undefined
    if (kind === undefined) return false
    const { volumes } = this.survey
    return volumes.nameBy(kind, volumes.volumeOf(this.config)) !== undefined
  }

  /** GRUB's own name for a partition, if no other can have it. */
  private numbered(volume: Volume): string | undefined {
    const { partition } = volume
    return partition !== null && this.survey.volumes.partitions(partition).length === 1
      ? `hd0,gpt${partition}`
      : undefined
  }

  private volume(device: string): Volume | undefined {
    const { volumes } = this.survey
    if (device.startsWith('mount/')) {
      const mountPoint = device.slice('mount'.length)
      const mount = volumes.mounts.find((candidate) => candidate.mountPoint === mountPoint)
      return mount === undefined ? undefined : { name: mountPoint, partition: null, mounts: [mount] }
    }
    const name = volumeName(device)
    if (name !== undefined) return volumes.find(name)
    const partition = /^(?:hd|fd|cd|ieee1275\/.*)\d*,(?:[a-z]+)?(\d+)$/.exec(device)?.[1]
    const candidates = partition === undefined ? [] : volumes.partitions(Number(partition))
    return candidates.length === 1 ? candidates[0] : undefined
  }
}

/** GRUB's names for file systems that Linux calls otherwise. */
const fileSystemNames: Record<string, string> = { ext3: 'ext2', ext4: 'ext2', vfat: 'fat', msdos: 'fat' }

function withoutParentheses(device: string): string {
  return device.startsWith('(') && device.endsWith(')') ? device.slice(1, -1) : device
}

/** 'UUID=1234-ABCD' of 'uuid/1234-ABCD'. */
function spec(device: string): string {
  return device.replace(/^\w+\//, (kind) => `${kind.slice(0, -1).toUpperCase()}=`)
}

/** A pattern of one path part as an expression, or null when it has no wildcards. */
function wildcard(part: string): RegExp | null {
  if (!/[*?]/.test(part) || part.length > MAX_PATTERN || (part.match(/\*/g)?.length ?? 0) > MAX_STARS) return null
  const source = part
    .replace(/[.\\+^$(){}|[\]]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's')
}

/** What a device that is not numbered is called by Linux. */
function volumeName(device: string): VolumeName | undefined {
  const [, kind = '', name = ''] = /^(uuid|label|lvm|md|mduuid)\/(.+)$/.exec(device) ?? []
  switch (kind) {
    case 'uuid':
      return { uuid: name }
    case 'label':
      return { label: name }
    case 'lvm':
      return { device: `/dev/mapper/${name}` }
    case 'md':
      return { device: /^\d+$/.test(name) ? `/dev/md${name}` : `/dev/md/${name}` }
    default:
      return undefined
  }
}
