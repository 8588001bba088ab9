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

  constructor(survey: Survey, config: string) {
    this.survey = survey
    this.config = config
  }

  /** The device a file of the system lies on, and its path there. */
  nameOf(path: string): { device: string; path: string } {
    const mount = this.survey.volumes.mountOf(path)
    const below = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length)
    return { device: `mount${mount.mountPoint}`, path: posix.join('/', mount.top, below) }
  }

  /** @param name as GRUB names it: `(device)/path`, or a path on the device that `root` names. */
  locate(name: string, root: string): GrubFile {
    const [, named, inDevice] = /^\(([^)]*)\)(.*)$/s.exec(name) ?? []
    const device = named === undefined || named === '' ? root : named
    const path = posix.join('/', inDevice ?? name)
    if (/^(?:tftp|http|https|pxe|efinet|net)\d*(?:,|$)/.test(device))
      return { path, exists: false, problem: `${name} is fetched from the network (${device}).` }
    if (/^(?:loop\w*|memdisk|proc)$/.test(device))
      return { path, exists: false, problem: `${name} lies inside the image file that GRUB calls (${device}).` }
    const volume = this.volume(device)
    if (volume !== undefined && volume.mounts.length === 0)
      return { path, exists: false, problem: `${path} lies on ${volume.name}, which is not mounted.` }
    return { ...this.survey.volumes.locate(path, this.config, volume), problem: null }
  }

  test(operator: 'e' | 'f' | 'd' | 's', file: GrubFile): boolean {
    if (!file.exists) return false
    const stats = this.survey.system.stat(file.path)
    if (stats === undefined || operator === 'e') return stats !== undefined
    if (operator === 's') return stats.size > 0
    return operator === 'd' ? stats.isDirectory() : stats.isFile()
  }

  /** What `search` does: a file system that nothing here tells of counts as found, unless all are known. */
  search(by: 'uuid' | 'label' | 'file', value: string): Found {
    const { volumes } = this.survey
    if (by !== 'file') {
      const isFound = volumes.find({ [by]: value }) !== undefined || !volumes.areAllKnown
      return isFound ? `${by}/${value}` : undefined
    }
    for (const mount of volumes.mounts) {
      const volume: Volume = { name: mount.device ?? mount.mountPoint, partition: null, mounts: [mount] }
      const path = posix.join('/', value)
      const below =
        mount.top === '/' ? path : path.startsWith(`${mount.top}/`) ? path.slice(mount.top.length) : undefined
      if (below !== undefined && volumes.files.has(posix.join(mount.mountPoint, below)))
        return `mount${volume.mounts[0]?.mountPoint ?? ''}`
    }
    const elsewhere = volumes.areAllKnown ? undefined : volumes.locate(value, this.config)
    return elsewhere?.exists ? this.nameOf(elsewhere.path).device : undefined
  }

  /** The UUID or label of a device, when its name tells. */
  nameBy(kind: 'uuid' | 'label', device: string): string | undefined {
    return device.startsWith(`${kind}/`) ? device.slice(kind.length + 1) : undefined
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
