import { posix } from 'node:path'
import type { Volume } from '../paths/volumes.ts'
import type { Survey } from '../survey/survey.ts'
import type { ScanRules } from './configuration.ts'

/** A directory with a refind_linux.conf. */
export interface ScannedDirectory {
  /** In the system's tree. */
  readonly path: string
  /** From the top of its file system: '/', '/boot', '/@/boot'. */
  readonly onVolume: string
  /** Its refind_linux.conf. */
  readonly config: string
  readonly volume: Volume
  /** Whether rEFInd looks there; if not, rEFInd may see another top of its file system. */
  readonly isSure: boolean
}

/** The directory of a refind_linux.conf, unless rEFInd is set to skip it. */
export function scannedDirectory(config: string, rules: ScanRules, survey: Survey): ScannedDirectory | undefined {
  const path = posix.dirname(config)
  const { mountPoint, top } = survey.volumes.mountOf(path)
  const below = mountPoint === '/' ? path : path.slice(mountPoint.length)
  const onVolume = posix.join(top, below).replace(/(.)\/$/, '$1')
  const volume = survey.volumes.volumeOf(path)
  const directory = { path, onVolume, config, volume, isSure: isScanned(onVolume, rules) }
  if (rules.dontScanVolumes.some((name) => isVolume(name, volume, survey))) return undefined
  return rules.dontScanDirs.some((name) => isDirectory(name, directory, survey)) ? undefined : directory
}

/** The top, the directories of EFI, and those of `also_scan_dirs`. */
function isScanned(onVolume: string, { alsoScanDirs }: ScanRules): boolean {
  const clean = cleanPath(onVolume)
  return (
    clean === '' ||
    /^efi\/[^/]+$/.test(clean) ||
    alsoScanDirs.some((name) => cleanPath(splitVolume(name).path) === clean)
  )
}

/** Whether `dont_scan_files` has a file: by name alone, with its directory, or also with its volume. */
export function isListed(name: string, directory: ScannedDirectory, list: readonly string[], survey: Survey): boolean {
  return list.some((element) => {
    const { volume, path } = splitVolume(element)
    const clean = cleanPath(path)
    const dir = posix.dirname(clean)
    return (
      posix.basename(clean) === name.toLowerCase() &&
      (dir === '.' || dir === cleanPath(directory.onVolume)) &&
      (volume === null || isVolume(volume, directory.volume, survey))
    )
  })
}

function isDirectory(element: string, directory: ScannedDirectory, survey: Survey): boolean {
  const { volume, path } = splitVolume(element)
  return (
    cleanPath(path) === cleanPath(directory.onVolume) && (volume === null || isVolume(volume, directory.volume, survey))
  )
}

function splitVolume(element: string): { volume: string | null; path: string } {
  const at = element.indexOf(':')
  return at < 0 ? { volume: null, path: element } : { volume: element.slice(0, at), path: element.slice(at + 1) || '/' }
}

/** Lower case, `/` between the parts, none at the ends. */
function cleanPath(path: string): string {
  return path
    .split(/[\\/]+/)
    .filter((part) => part !== '')
    .join('/')
    .toLowerCase()
}

function isVolume(name: string, volume: Volume, survey: Survey): boolean {
  return volumeOf(name, survey)?.name === volume.name
}

/** A volume is named by its label, its partition's name or its partition's GUID. */
export function volumeOf(name: string, { volumes }: Survey): Volume | undefined {
  const plain = name.replace(/:$/, '')
  return volumes.find({ label: plain }) ?? volumes.find({ partlabel: plain }) ?? volumes.find({ partuuid: plain })
}
