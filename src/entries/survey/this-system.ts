import { MOUNT_TABLE } from '../../system/mounts/mount-table.ts'
import type { System } from '../../system/system.ts'
import { parseOsRelease } from '../efi/os-release.ts'
import type { FoundEntry } from '../model/found-entry.ts'
import { DeviceNames, isSameDevice, type Names } from '../paths/device-names.ts'
import { bareSubvolume, type RootParameters, rootParameters } from '../paths/root-parameters.ts'
import type { Volumes } from '../paths/volumes.ts'

/** An entry's signs of the system that it starts. */
export type Starting = Pick<FoundEntry, 'id' | 'kernel' | 'commandLine' | 'config' | 'machineId' | 'systemId'>

export interface Belonging {
  /**
   * Why an entry does not start the running system, to complete a sentence about it: 'another root file system: …'.
   * Null when it does, and where there is no sign.
   */
  readonly otherSystem: string | null
  /** Whether it looks like an entry of a snapshot, which counts where other entries do not. */
  readonly isSnapshot: boolean
}

/**
 * A snapshot of snapper or Timeshift, by the path of its subvolume or of a kernel in it; a snapshot of ZFS, by `root=`.
 */
const snapshot = /(?:^|\/)(?:\.snapshots\/\d+\/snapshot|timeshift-btrfs\/snapshots\/[^/]+)(?:\/|$)/
const zfsSnapshot = /^zfs[=:].*@/i

/**
 * Separates the entries of the running system from others: of another installation on the same disk, of another root
 * file system, of a snapshot. This keeps `newest` in the running system; docs/discovery.md has the rule.
 */
export class ThisSystem {
  private readonly system: System
  private readonly volumes: Volumes
  private readonly devices: DeviceNames
  private readonly running: RootParameters
  /** The root file system under each word that names it. */
  private readonly roots: readonly { readonly spec: string; readonly names: Names }[]
  private readonly subvolume: string | null
  private readonly machineIds: ReadonlySet<string>
  private readonly systemIds: ReadonlySet<string>

  constructor(system: System, volumes: Volumes) {
    this.system = system
    this.volumes = volumes
    this.devices = new DeviceNames(system)
    this.running = rootParameters(system.runningCommandLine() ?? '')
    const { root, subvolume } = this.running
    const mounted = this.mountedRoot()
    // A mount is a fact. fstab is a plan, which the boot's command line may have overruled.
    const specs = [mounted.isFact || root === null ? mounted.device : null, root]
    this.roots = specs
      .flatMap((spec) => (spec === null ? [] : [{ spec, names: this.devices.of(spec) }]))
      .filter(({ names }) => names.size > 0)
    this.subvolume = mounted.isFact ? (mounted.subvolume ?? subvolume) : (subvolume ?? mounted.subvolume)
    this.machineIds = this.ownMachineIds()
    this.systemIds = this.ownSystemIds()
  }

  belongs(entry: Starting): Belonging {
    const parameters = rootParameters(entry.commandLine ?? '')
    const { root, subvolume } = parameters
    const isOwn = subvolume !== null && subvolume === this.subvolume
    return {
      otherSystem: this.otherSystem(entry, parameters),
      isSnapshot:
        !isOwn && (snapshot.test(subvolume ?? '') || snapshot.test(entry.kernel ?? '') || zfsSnapshot.test(root ?? '')),
    }
  }

  /**
   * The surest evidence first: the same root file system and subvolume are the same system, even where an entry's other
   * words differ.
   */
  private otherSystem(entry: Starting, parameters: RootParameters): string | null {
    if (entry.id.startsWith('osprober-')) return 'another system, which os-prober found'
    const { live, root, subvolume } = parameters
    if (live !== null && live !== this.running.live) return `a live or installation system (${live})`
    const isSameRoot = this.isSameRoot(root)
    if (isSameRoot === false)
      return `another root file system: ${root}, where this system's is ${this.roots.map(({ spec }) => spec)[0]}`
    const other = this.otherDisk(parameters) ?? this.otherDeployment(parameters)
    if (other !== null) return other
    if (subvolume !== null && this.subvolume !== null) {
      if (subvolume === this.subvolume) return null
      const what = snapshot.test(subvolume) ? 'a snapshot' : 'another subvolume'
      return `${what}: ${subvolume}, where this system's is ${this.subvolume}`
    }
    return isSameRoot === true ? null : this.otherInstallation(entry)
  }

  /** Whether there is evidence of an installed system. The medium of a live system has only files of its own. */
  isInstalled(): boolean {
    const isRunning = this.system.runningCommandLine() !== undefined
    return isRunning || this.roots.length > 0 || this.machineIds.size > 0
  }

  /** The file system mounted at /, or the one that fstab would mount there. */
  private mountedRoot(): { device: string | null; subvolume: string | null; isFact: boolean } {
    const { device, top, type } = this.volumes.mountOf('/')
    const isFact = this.system.exists(MOUNT_TABLE)
    const spec = type === 'zfs' && device !== null ? `ZFS=${device}` : device
    return { device: spec, subvolume: type === 'btrfs' && top !== '/' ? bareSubvolume(top) : null, isFact }
  }

  private isSameRoot(root: string | null): boolean | null {
    if (root === null) return null
    const names = this.devices.of(root)
    const answers = this.roots.map((own) => isSameDevice(names, own.names))
    if (answers.includes(true)) return true
    return answers.includes(false) ? false : null
  }

  /** Mapped devices of two systems often have the same name. */
  private otherDisk({ disks }: RootParameters): string | null {
    const own = this.running.disks
    if (own.size === 0 || disks.size === 0 || [...disks].some((disk) => own.has(disk))) return null
    return `another encrypted disk: ${[...disks].join(', ')}, where this system's is ${[...own].join(', ')}`
  }

  private otherDeployment({ ostree }: RootParameters): string | null {
    const own = this.running.ostree
    if (own === null || ostree === null || own === ostree) return null
    return `another ostree system: ${ostree}, where this one is ${own}`
  }

  private otherInstallation({ machineId, systemId, config, kernel }: Starting): string | null {
    const token = machineId ?? tokenIn(config) ?? tokenIn(kernel)
    if (token !== null && this.machineIds.size > 0 && !this.machineIds.has(token.toLowerCase()))
      return `another installation: its machine-id is ${token}, this system's ${[...this.machineIds][0]}`
    if (systemId != null && this.systemIds.size > 0 && !this.systemIds.has(systemId))
      return `another system: its os-release has the ID ${systemId}, this system's ${[...this.systemIds][0]}`
    return null
  }

  /** The name that kernel-install(8) gives entries: the machine-id, or its value when the system was installed. */
  private ownMachineIds(): ReadonlySet<string> {
    const { system } = this
    const info = parseOsRelease(system.readText('/etc/machine-info') ?? '').get('KERNEL_INSTALL_MACHINE_ID')
    const texts = ['/etc/machine-id', '/etc/kernel/entry-token'].map((path) => system.readText(path)?.trim())
    const ids = [...texts, info].filter((text) => text !== undefined && /^[0-9a-f]{32}$/i.test(text))
    return new Set(ids.map((id) => (id as string).toLowerCase()))
  }

  private ownSystemIds(): ReadonlySet<string> {
    const { system } = this
    const release = system.readText('/etc/os-release') ?? system.readText('/usr/lib/os-release')
    const values = parseOsRelease(release ?? '')
    return new Set([values.get('ID'), values.get('IMAGE_ID')].filter((id) => id !== undefined))
  }
}

/** The machine-id in a path: '…/entries/MACHINEID-6.1.0.conf', '/efi/MACHINEID/6.1.0/linux'. */
function tokenIn(path: string | null | undefined): string | null {
  return /\/([0-9a-f]{32})[-/]/i.exec(path ?? '')?.[1] ?? null
}
