import { posix } from 'node:path'
import type { System } from '../../system/system.ts'
import { unescapeHex } from './udev-names.ts'

/** The name of a device or of the file system on it, by the kind of name. */
export type Names = ReadonlyMap<string, string>

/** The kinds of links below /dev/disk that udev makes. */
const kinds = ['uuid', 'partuuid', 'label', 'partlabel'] as const

/** The surest first. A shared kind of name decides whether two devices are one; two disks may have the same label. */
const strength = ['uuid', 'partuuid', 'zfs', 'dm', 'disk', 'md', 'mapper', 'partlabel', 'label'] as const

/** The kernel's names of disks and partitions; RAIDs and mapped devices have others. */
const families: readonly (readonly [string, RegExp])[] = [
  ['disk', /^(?:[shv]d[a-z]+\d*|xvd[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?)$/],
  ['dm', /^dm-\d+$/],
  ['md', /^md\d+(?:p\d+)?$/],
]

/** All names of the devices in `root=` and fstab, as far as /dev shows them. */
export class DeviceNames {
  private readonly system: System
  private readonly known = new Map<string, Names>()
  /** From each kind of name to the kernel's, and back. */
  private targets: ReadonlyMap<string, string> | undefined
  private readonly names = new Map<string, Map<string, string>>()

  constructor(system: System) {
    this.system = system
  }

  /**
   * The known names of a device in the form of `root=`: 'UUID=…', '/dev/sda2', '/dev/disk/by-label/…', 'ZFS=pool/root'.
   * Empty for values that name no device of a fixed name: '/dev/nfs', 'gpt-auto', 'overlay'.
   */
  of(spec: string): Names {
    let names = this.known.get(spec)
    if (names === undefined) {
      names = this.look(spec)
      this.known.set(spec, names)
    }
    return names
  }

  private look(spec: string): Names {
    const names = new Map<string, string>()
    const dataset = /^(?:zfs[=:])([^@]+\/[^@]+)/i.exec(spec)?.[1]
    if (dataset !== undefined) return names.set('zfs', dataset)
    const [kind, value] = linkOf(spec) ?? []
    if (kind !== undefined && value !== undefined) names.set(kind, folded(kind, value))
    const target =
      kind === undefined ? this.followed(spec) : this.links().get(`${kind}/${folded(kind, names.get(kind) ?? '')}`)
    const mapper = mapperName(spec)
    if (mapper !== undefined) names.set('mapper', mapper)
    if (target === undefined) return names
    for (const [family, pattern] of families) if (pattern.test(target)) names.set(family, target)
    this.links()
    for (const [other, name] of this.names.get(target) ?? []) names.set(other, name)
    return names
  }

  /** '/dev/sda2' is sda2, '/dev/mapper/vg-root' dm-0 if it is a link. */
  private followed(spec: string): string | undefined {
    if (!spec.startsWith('/dev/')) return undefined
    return posix.basename(this.system.readLink(spec) ?? spec)
  }

  private links(): ReadonlyMap<string, string> {
    if (this.targets !== undefined) return this.targets
    const targets = new Map<string, string>()
    for (const kind of kinds) {
      const directory = `/dev/disk/by-${kind}`
      for (const link of this.system.list(directory)) {
        const device = this.system.readLink(posix.join(directory, link))
        if (device === undefined) continue
        const [name, target] = [folded(kind, unescapeHex(link)), posix.basename(device)]
        targets.set(`${kind}/${name}`, target)
        const known = this.names.get(target) ?? new Map<string, string>()
        this.names.set(target, known.set(kind, name))
      }
    }
    this.targets = targets
    return targets
  }
}

/** Whether two devices are one, by the surest kind of name that both have; null where they have none in common. */
export function isSameDevice(one: Names, other: Names): boolean | null {
  for (const kind of strength) {
    const [name, otherName] = [one.get(kind), other.get(kind)]
    if (name !== undefined && otherName !== undefined) return name === otherName
  }
  return null
}

function linkOf(spec: string): [kind: string, value: string] | undefined {
  const [, kind, value] =
    /^(uuid|label|partuuid|partlabel)=([^/]+)$/i.exec(spec) ??
    /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(spec) ??
    []
  return kind === undefined || value === undefined ? undefined : [kind.toLowerCase(), unescapeHex(value)]
}

/** UUIDs may be in either letter case. */
function folded(kind: string, value: string): string {
  return kind.endsWith('uuid') ? value.toLowerCase() : value
}

/**
 * LVM's two names of a volume, /dev/vg/root and /dev/mapper/vg-root, are the same; a hyphen in either part is doubled.
 */
function mapperName(spec: string): string | undefined {
  const mapped = /^\/dev\/mapper\/(.+)$/.exec(spec)?.[1]
  if (mapped !== undefined) return mapped
  const [, group, volume] = /^\/dev\/(?!disk\/|block\/|mapper\/|md\/)([^/]+)\/([^/]+)$/.exec(spec) ?? []
  if (group === undefined || volume === undefined) return undefined
  return [group, volume].map((part) => part.replaceAll('-', '--')).join('-')
}
