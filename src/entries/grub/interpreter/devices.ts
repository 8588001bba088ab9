import { posix } from 'node:path'
import type { Volume } from '../../paths/volumes.ts'
import type { Survey } from '../../survey/survey.ts'
import type { Truth } from '../script/values.ts'
import { DeviceNames, partitionOf, type Wanted } from './device-names.ts'

/** The place of a file that GRUB names. */
export interface GrubFile {
  /** In the system's own tree. */
  readonly path: string
  readonly exists: boolean
  /** Why this system cannot reach it; the path is then GRUB's own. */
  readonly problem: string | null
  /** The dependency of its existence, to complete "depends on …"; null when that is known. */
  readonly unknown: string | null
}

/** Where to look for a device's files. */
type Place =
  | { readonly kind: 'volume'; readonly volume: Volume }
  /** The file system is unknown: that of the configuration, usually the only one that matters. */
  | { readonly kind: 'own' }
  /** It exists, but is not mounted, or several fit. */
  | { readonly kind: 'elsewhere'; readonly name: string }
  | { readonly kind: 'absent'; readonly name: string }

/** Longer patterns are not file names. */
const MAX_PATTERN = 255

/** The most files that one pattern may stand for. */
const MAX_FILES = 1000

/** The result of a search, as the name of a device; or none. */
export type Found = string | undefined

/**
 * GRUB's devices and their places here. The firmware numbers disks: the one GRUB was started from is `hd0`. A file
 * system without a partition number, or with the number of another, has a made-up name.
 */
export class Devices {
  private readonly survey: Survey
  /** The configuration that GRUB starts from: it names files of its own file system. */
  private readonly config: string
  private readonly names = new DeviceNames()
  /** Image files by their `loopback` names. */
  readonly images = new Map<string, string>()
  /** Partitions taken for the configuration's own, because they are unknown. */
  readonly guessed = new Set<string>()
  /** Whether that guess is forbidden: there are several, and they cannot all be the same file system. */
  private readonly isStrict: boolean
  /** The disk of the partitions of each number: those of a second disk are others. */
  private readonly disks = new Map<number, string>()

  constructor(survey: Survey, config: string, isStrict: boolean) {
    this.survey = survey
    this.config = config
    this.isStrict = isStrict
  }

  /** The device a file of the system lies on, and its path there. */
  nameOf(path: string): { device: string; path: string } {
    const mount = this.survey.volumes.mountOf(path)
    const below = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length)
    const volume = this.survey.volumes.volumeOf(path)
    return { device: this.numbered(volume) ?? this.names.of({ volume }), path: posix.join('/', mount.top, below) }
  }

  /**
   * @param name in GRUB's form: `(device)/path`, or a path on the device of `root`.
   */
  locate(name: string, root: string): GrubFile {
    if (!isPath(name)) {
      const problem = `'${name}' is not a path to GRUB: it begins with neither / nor (device)/.`
      return { path: name, exists: false, problem, unknown: null }
    }
    const [, named, inDevice] = /^\(([^)]*)\)(.*)$/s.exec(name) ?? []
    const device = withoutParentheses(named === undefined || named === '' ? root : named)
    const path = posix.join('/', inDevice ?? name)
    const unreachable = this.unreachable(name, device)
    if (unreachable !== undefined) return { path, exists: false, ...unreachable }
    const place = this.placeOf(device)
    if (place.kind === 'elsewhere' || place.kind === 'absent') {
      const unknown = place.kind === 'absent' ? null : `what is on ${place.name}, which is not mounted`
      return { path: `(${place.name})${path}`, exists: false, problem: null, unknown }
    }
    const volume = place.kind === 'volume' ? place.volume : undefined
    return { ...this.survey.volumes.locate(path, this.config, volume), problem: null, unknown: null }
  }

  private unreachable(name: string, device: string): { problem: string; unknown: string } | undefined {
    if (/^(?:tftp|http|https|pxe|efinet|net)\d*(?:,|$)/.test(device))
      return { problem: `${name} is fetched from the network (${device}).`, unknown: 'the network' }
    const image = this.images.get(device)
    if (image !== undefined)
      return {
        problem: `${name} lies inside of ${image}, an image file that GRUB reads by itself.`,
        unknown: `what is in ${image}`,
      }
    if (/^(?:loop\w*|memdisk|proc)$/.test(device))
      return {
        problem: `${name} lies inside the image file that GRUB calls (${device}).`,
        unknown: `what is in (${device})`,
      }
    return undefined
  }

  /** The files that a path with `*` and `?` stands for, in order; [] when there are none. */
  glob(pattern: string, root: string): string[] {
    const [, device = '', path] = /^(\([^)]*\))?(\/.*)$/s.exec(pattern) ?? []
    if (path === undefined) return []
    let found = [device]
    for (const part of path.split('/').slice(1)) {
      const isPattern = hasWildcards(part)
      found = found.flatMap((directory) => {
        if (!isPattern) return [`${directory}/${part}`]
        const names = this.survey.system.list(this.locate(`${directory}/`, root).path)
        this.survey.budget.spend('steps', names.length)
        return names.filter((name) => fits(part, name)).map((name) => `${directory}/${name}`)
      })
      found.length = Math.min(found.length, MAX_FILES)
    }
    return found.filter((name) => this.locate(name, root).exists)
  }

  test(operator: 'e' | 'f' | 'd' | 's', file: GrubFile): Truth {
    if (!file.exists) return file.unknown === null ? false : 'unknown'
    const stats = this.survey.system.stat(file.path)
    if (stats === undefined || operator === 'e') return stats !== undefined
    if (operator === 'd') return stats.isDirectory()
    return stats.isFile() && (operator === 'f' || stats.size > 0)
  }

  /** The result of `search`: a file system that is unknown here counts as found, unless all are known. */
  search(by: Wanted['kind'] | 'file', value: string): Found {
    const { volumes } = this.survey
    if (by === 'file') return this.searchFile(value)
    const volume = volumes.find({ [by]: value })
    if (volume !== undefined) return this.numbered(volume) ?? this.names.of({ volume })
    return volumes.areAllKnown ? undefined : this.names.of({ wanted: { kind: by, value } })
  }

  /** A made-up name in a text that a kernel or a person sees. */
  madeUpIn(words: readonly string[]): string | undefined {
    return this.names.within(words.join(' '))
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

  /** The known facts about a device: its UUID, its label, or GRUB's name for the type of its file system. */
  property(kind: 'uuid' | 'label' | 'type', device: string): string | undefined {
    const name = withoutParentheses(device)
    const wanted = this.names.meaning(name)?.wanted
    if (wanted?.kind === kind) return wanted.value
    const place = this.placeOf(name)
    if (place.kind !== 'volume') return undefined
    if (kind !== 'type') return this.survey.volumes.nameBy(kind, place.volume)
    const type = place.volume.mounts[0]?.type ?? undefined
    return type === undefined ? undefined : (fileSystemNames[type] ?? type)
  }

  private placeOf(device: string): Place {
    const named = this.names.meaning(device)
    if (named?.volume !== undefined) return { kind: 'volume', volume: named.volume }
    if (named !== undefined) return this.placeOfWanted(named.wanted)
    const partition = partitionOf(device)
    if (partition !== undefined) return this.placeOfPartition(device, partition)
    const linux = linuxName(device)
    const volume = linux === undefined ? undefined : this.survey.volumes.find({ device: linux })
    return volume === undefined ? { kind: 'own' } : { kind: 'volume', volume }
  }

  /**
   * An unknown target of a search: another system's file system, which os-prober found, where the configuration's own
   * is known by the same kind of name and differs.
   */
  private placeOfWanted({ kind, value }: Wanted): Place {
    const { volumes } = this.survey
    const name = `${kind.toUpperCase()}=${value}`
    if (volumes.nameBy(kind, volumes.volumeOf(this.config)) !== undefined) return { kind: 'elsewhere', name }
    if (kind === 'uuid' || kind === 'label') return { kind: 'own' }
    // A partition is searched by its own name where several are alike: the slots of a system.
    this.guessed.add(name)
    return this.isStrict ? { kind: 'elsewhere', name } : { kind: 'own' }
  }

  private placeOfPartition(device: string, { disk, number }: { disk: string; number: number }): Place {
    const { volumes } = this.survey
    const found = this.names.hasDisk(disk) ? [] : volumes.partitions(number)
    // Of several with one number, GRUB's hd0 has the one beside the configuration.
    const own = diskOf(volumes.volumeOf(this.config).name)
    const beside = found.length < 2 || disk !== 'hd0' ? found : found.filter(({ name }) => diskOf(name) === own)
    const [volume] = beside
    const first = this.disks.get(number) ?? disk
    if (volume !== undefined && beside.length === 1 && first === disk) {
      this.disks.set(number, disk)
      return { kind: 'volume', volume }
    }
    if (volumes.areAllKnown && !volumes.hasPartition(number)) return { kind: 'absent', name: device }
    if (found.length > 0 || volumes.areNumbersKnown) return { kind: 'elsewhere', name: device }
    this.guessed.add(`${disk},${number}`)
    return this.isStrict ? { kind: 'elsewhere', name: device } : { kind: 'own' }
  }

  /**
   * GRUB's own name for a partition, if no other can have it; for an unmounted one, on the disk of the configuration.
   */
  private numbered(volume: Volume): string | undefined {
    const { volumes } = this.survey
    const { partition, mounts, name } = volume
    if (partition === null) return undefined
    const same = volumes.partitions(partition).length
    const isBeside = mounts.length === 0 && diskOf(name) === diskOf(volumes.volumeOf(this.config).name)
    return same === 1 || (same === 0 && isBeside) ? `hd0,gpt${partition}` : undefined
  }
}

/** Whether GRUB takes a text for the name of a file. */
export function isPath(name: string): boolean {
  return /^(?:\([^)]*\))?\//.test(name)
}

/** '/dev/sda' of '/dev/sda2', '/dev/nvme0n1' of '/dev/nvme0n1p2'. */
function diskOf(device: string): string {
  return device.replace(/(?<=\d)p\d+$|(?<=[a-z])\d+$/, '')
}

/** GRUB's names for file systems with another name in Linux. */
const fileSystemNames: Record<string, string> = { ext3: 'ext2', ext4: 'ext2', vfat: 'fat', msdos: 'fat' }

function withoutParentheses(device: string): string {
  return device.startsWith('(') && device.endsWith(')') ? device.slice(1, -1) : device
}

/** Whether a part of a path has wildcards, and is at most as long as a name can be. */
function hasWildcards(part: string): boolean {
  return /[*?]/.test(part) && part.length <= MAX_PATTERN
}

/** Whether `*` and `?` of a pattern fit a name: only the last star needs to be tried again. */
function fits(pattern: string, name: string): boolean {
  let [at, from] = [0, 0]
  let [star, taken] = [-1, 0]
  while (from < name.length) {
    if (pattern[at] === '*') {
      star = at++
      taken = from
    } else if (pattern[at] === '?' || pattern[at] === name[from]) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++taken
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/** Linux's name of a device that GRUB does not number. */
function linuxName(device: string): string | undefined {
  const [, kind, name = ''] = /^(lvm|md)\/(.+)$/.exec(device) ?? []
  if (kind === undefined) return undefined
  if (kind === 'lvm') return `/dev/mapper/${name}`
  return /^\d+$/.test(name) ? `/dev/md${name}` : `/dev/md/${name}`
}
