import { posix } from 'node:path'
import type { SystemFiles } from '../paths/system-files.ts'
import { machineOfProgram } from './architectures.ts'

/** A file system that systemd-boot reads: the ESP, the extended boot loader partition, or one that looks like them. */
export interface BootPartition {
  /** Its mount point. */
  readonly top: string
  /** Directories and files as the file system spells them; null when they do not exist. */
  readonly entries: string | null
  readonly images: string | null
  readonly addons: string | null
  readonly loaderConf: string | null
  /** EFI/systemd, with systemd-boot itself in it. */
  readonly program: string | null
  /** EFI/BOOT, with the default program of the firmware. */
  readonly fallback: string | null
}

/**
 * Where the ESP and the extended boot loader partition are mounted (systemd-gpt-auto-generator(8)), now and in the
 * past.
 */
const usualPlaces = ['/efi', '/boot', '/boot/efi', '/esp', '/boot/firmware', '/run/boot-loader-entries', '/'] as const

/** The partitions with files for systemd-boot, the ESP first; each once, even under several names. */
export function bootPartitions(files: SystemFiles): BootPartition[] {
  const seen = new Set<string>()
  const partitions: BootPartition[] = []
  for (const place of placesOf(files)) {
    const top = files.resolve(place)
    if (top === undefined || seen.has(top)) continue
    seen.add(top)
    const partition = look(top, files, seen)
    if (partition !== null) partitions.push(partition)
  }
  return partitions.sort((one, other) => standing(other) - standing(one))
}

/** The partition that a path lies on: the deepest one above it. */
export function holderOf(path: string, partitions: readonly BootPartition[]): BootPartition | undefined {
  return partitions
    .filter(({ top }) => top === '/' || path.startsWith(`${top}/`))
    .sort((one, other) => other.top.length - one.top.length)[0]
}

/** The usual places and all mounts of FAT file systems. */
function placesOf({ volumes }: SystemFiles): string[] {
  const fat = volumes.mounts.filter(({ type }) => type === 'vfat').map(({ mountPoint }) => mountPoint)
  return [...new Set([...usualPlaces, ...fat])]
}

function look(top: string, files: SystemFiles, seen: Set<string>): BootPartition | null {
  const at = (path: string) => files.volumes.files.ignoringCase(posix.join(top, path)) ?? null
  /** A directory with several names counts once: /boot -> ., /boot/efi -> /efi. */
  const directory = (path: string) => {
    const found = at(path)
    const real = found === null ? undefined : files.resolve(found)
    if (real === undefined || seen.has(`directory ${real}`)) return null
    seen.add(`directory ${real}`)
    return found
  }
  const partition = {
    top,
    entries: directory('loader/entries'),
    images: directory('EFI/Linux'),
    loaderConf: at('loader/loader.conf'),
  }
  if (partition.entries === null && partition.images === null && partition.loaderConf === null) return null
  return { ...partition, addons: at('loader/addons'), program: at('EFI/systemd'), fallback: at('EFI/BOOT') }
}

/** How closely a partition looks like the ESP that systemd-boot was started from. */
function standing({ program, fallback, loaderConf }: BootPartition): number {
  return (program === null ? 0 : 4) + (fallback === null ? 0 : 2) + (loaderConf === null ? 0 : 1)
}

/** The machine of the boot loaders on these partitions, or undefined when there are none, or for several. */
export function machineOfLoaders(partitions: readonly BootPartition[], files: SystemFiles): string | undefined {
  for (const kind of ['program', 'fallback'] as const) {
    const machines = partitions
      .flatMap((partition) => (partition[kind] === null ? [] : files.system.list(partition[kind])))
      .flatMap((file) => machineOfProgram(file) ?? [])
    if (new Set(machines).size === 1) return machines[0]
  }
  return undefined
}
