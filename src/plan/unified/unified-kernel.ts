import type { ByteSource } from '../../bytes/bytes.ts'
import { partOf } from '../../bytes/bytes.ts'
import { hasProfiles, missingProfile, profilesOf, sectionText, stubCommandLine, uki } from '../../image/formats/uki.ts'
import type { OpenImage } from '../../image/inspect/open.ts'
import { type PeSection, readPeFile, sectionSize } from '../../image/model/pe-sections.ts'
import { isSecureBoot } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import type { PlanWarning } from '../model/remark.ts'
import { archiveOf, MAX_ARCHIVED } from './archive.ts'
import { Companions, type OpenAddon } from './companions.ts'
import { chooseDeviceTree, runningCompatible, type UnifiedDeviceTree } from './device-tree.ts'
import { measurementWarning } from './measurement.ts'
import type { UnifiedPart } from './part.ts'
import { smbiosCommandLine } from './smbios.ts'

export type { UnifiedDeviceTree, UnifiedPart }

/** A unified kernel image that is open. */
export interface UnifiedInput {
  readonly source: ByteSource
  /** As seen inside the system's root; null when the image came from memoryand has no files beside it. */
  readonly path: string | null
  /** Number of the profile; null for the first. */
  readonly profile: number | null
}

/** The kernel's inputs as systemd-stub would make them from a unified kernel image, and the differences. */
export interface UnifiedKernel {
  /** Null where neither the image nor an addon has one. */
  readonly commandLine: string | null
  /** Its sources, in order: '.cmdline', paths of addons. */
  readonly commandLineFrom: readonly string[]
  /** Whether systemd-stub would take no other line: the image has one, and Secure Boot is on. */
  readonly isCommandLineFixed: boolean
  /** In the order in which systemd-stub joins them; each begins on a multiple of 4 bytes. */
  readonly initrds: readonly UnifiedPart[]
  /** The device tree that it would give to the kernel, which kexec_file_load cannot; null for none. */
  readonly deviceTree: UnifiedDeviceTree | null
  readonly warnings: readonly PlanWarning[]
  /** Why it should not be loaded, to complete a sentence about the image: 'it has no profile 3: …'. */
  readonly problems: readonly string[]
  /** The open files beside the image, to see whether they change. */
  readonly files: readonly OpenImage[]
  /** Closes them: `initrds` and `deviceTree` can no longer be read. The image's own source stays as it is. */
  close(): void
}

/** Sections that the initrd finds as files in /.extra, in the order of systemd-stub. */
const literals = [
  ['.pcrsig', 'tpm2-pcr-signature.json'],
  ['.pcrpkey', 'tpm2-pcr-public-key.pem'],
  ['.osrel', 'os-release'],
  ['.profile', 'profile'],
] as const

/**
 * Puts together the inputs that systemd-stub(7) would, as of version 262: command line, initrds and device tree of a
 * profile, of the addons and of the other files beside the image. Reads headers and texts; the contents are read when
 * the parts are.
 */
export function unifiedKernel(system: System, { source, path, profile: wanted }: UnifiedInput): UnifiedKernel {
  const file = readPeFile(source)
  if (typeof file === 'string') return nothing([`it ${file}`])
  const profiles = profilesOf(file.sections)
  const profile = profiles[wanted ?? 0]
  if (profile === undefined)
    return nothing([missingProfile(wanted ?? 0, hasProfiles(file.sections) ? profiles.length : 0)])
  const problems = uki.unpack?.(source, { profile: wanted ?? 0 }).problems ?? []
  if (problems.length > 0) return nothing(problems)
  const companions = new Companions(system, path)
  const image: Image = { source, name: path ?? '(image)', sections: profile.sections }
  const secureBoot = isSecureBoot(system) === true
  const addons = companions.addons({
    architecture: file.architecture,
    release: textOf(image, '.uname'),
    isSecureBoot: secureBoot,
  })
  const deviceTree = chooseDeviceTree(system, { path: image.name, source }, profile, addons)
  const commandLine = commandLineOf(system, image, addons)
  const hasPcrSignature = sectionOf(image, '.pcrsig') !== undefined
  const measurement = measurementWarning(system, hasPcrSignature, commandLine.commandLine ?? '')
  return {
    ...commandLine,
    isCommandLineFixed: secureBoot && sectionOf(image, '.cmdline') !== undefined,
    initrds: initrdsOf(image, addons, companions),
    deviceTree,
    warnings: [
      ...companions.warnings,
      ...initrdWarnings(image),
      ...deviceTreeWarnings(system, deviceTree, file.architecture),
      ...(measurement === null ? [] : [{ code: 'not-measured' as const, text: measurement }]),
    ],
    problems: [],
    files: companions.files,
    close: () => companions.close(),
  }
}

/** An image with the result of its chosen profile. */
interface Image {
  readonly source: ByteSource
  readonly name: string
  readonly sections: readonly PeSection[]
}

function nothing(problems: readonly string[]): UnifiedKernel {
  return {
    commandLine: null,
    commandLineFrom: [],
    isCommandLineFixed: false,
    initrds: [],
    deviceTree: null,
    warnings: [],
    problems,
    files: [],
    close: () => {},
  }
}

/**
 * From "most hardcoded" to "most dynamic": the image's, those of addons for all images, of its own addons, and the
 * hypervisor's. The stub's version 262 adds a console= where it finds a single serial or virtio console, which is left
 * out here.
 */
function commandLineOf(system: System, image: Image, addons: readonly OpenAddon[]) {
  const own = textOf(image, '.cmdline')
  const extra = smbiosCommandLine(system)
  const pieces = [
    ...(own === null ? [] : [{ from: '.cmdline', text: stubCommandLine(own) }]),
    ...addons.map(({ file, addon }) => ({ from: file.path, text: addon.commandLine ?? '' })),
    ...(extra === null ? [] : [{ from: 'SMBIOS', text: stubCommandLine(extra) }]),
  ]
  const used = pieces.filter(({ text, from }) => text !== '' || from === '.cmdline')
  const texts = used.map(({ text }) => text).filter((text) => text !== '')
  return {
    commandLine: used.length === 0 ? null : texts.join(' '),
    commandLineFrom: used.map(({ from }) => from),
  }
}

/**
 * Later archives overwrite files of earlier ones. Of microcode, the kernel takes the first that fits, so that of addons
 * comes first, and of several the last addon's.
 */
function initrdsOf(image: Image, addons: readonly OpenAddon[], companions: Companions): UnifiedPart[] {
  return [
    ...addons.flatMap((addon) => addonPart(addon, '.ucode')).reverse(),
    ...partsNamed(image, '.ucode').slice(0, 1),
    ...partsNamed(image, '.initrd'),
    ...companions.archives(stubVersion(image)),
    ...literals.flatMap(([section, name]) => literalPart(image, section, name)),
    ...addons.flatMap((addon) => addonPart(addon, '.initrd')),
  ]
}

/** As the stub says in a section of its own: '#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####'. */
function stubVersion(image: Image): number | null {
  const version = /LoaderInfo: systemd-stub (\d{1,4})/.exec(textOf(image, '.sdmagic') ?? '')?.[1]
  return version === undefined ? null : Number(version)
}

function addonPart({ file, addon }: OpenAddon, name: string): UnifiedPart[] {
  return partsNamed({ source: file.source, name: file.path, sections: addon.sections }, name).slice(0, 1)
}

function partsNamed(image: Image, name: string): UnifiedPart[] {
  return image.sections
    .filter((section) => section.name === name)
    .map((section) => ({ name: `${image.name}:${name}`, source: bytesOf(image, section) }))
}

function literalPart(image: Image, sectionName: string, name: string): UnifiedPart[] {
  const section = sectionOf(image, sectionName)
  if (section === undefined || sectionSize(section) > MAX_ARCHIVED) return []
  const directory = { directory: '.extra', directoryMode: 0o555, fileMode: 0o444 }
  return [{ name: `/.extra/${name}`, source: archiveOf(directory, [{ name, content: bytesOf(image, section) }]) }]
}

function initrdWarnings(image: Image): PlanWarning[] {
  const count = image.sections.filter(({ name }) => name === '.initrd').length
  if (count < 2) return []
  const text = `the image has ${count} sections .initrd, of which systemd-stub gives only the first to the kernel; all are loaded, in the order of the file`
  return [{ code: 'several-initrds', text }]
}

/** x86 firmware has no device trees, and its kernels need none. */
function deviceTreeWarnings(
  system: System,
  tree: UnifiedDeviceTree | null,
  architecture: string | null,
): PlanWarning[] {
  const running = runningCompatible(system)
  if (tree === null || (running === null && /^(x86_64|i386)$/.test(architecture ?? ''))) return []
  const kept = running === null ? 'the new kernel gets none' : `the new kernel gets the running one (${running})`
  const text = `kexec_file_load takes no device tree: ${kept}, not ${tree.name}, which the firmware would give it because ${tree.reason}`
  return [{ code: 'device-tree-not-passed', text }]
}

function sectionOf({ sections }: Image, name: string): PeSection | undefined {
  return sections.find((section) => section.name === name)
}

function textOf(image: Image, name: string): string | null {
  const section = sectionOf(image, name)
  return section === undefined ? null : sectionText(image.source, section)
}

function bytesOf({ source }: Image, section: PeSection): ByteSource {
  return partOf(source, section.offset, sectionSize(section))
}

/** A warning where systemd-stub would not take the administrator's own command line; null where it would. */
export function explicitCommandLineWarning({ isCommandLineFixed }: UnifiedKernel): string | null {
  if (!isCommandLineFixed) return null
  return 'under Secure Boot systemd-stub takes no other command line than that of the image; kexec does'
}

/**
 * Splits `FILE@N`, which names a profile of an image, in two. An existing file of that whole name is a file.
 * @returns null for the profile where the name has none
 */
export function splitProfile(system: System, path: string): { readonly path: string; readonly profile: number | null } {
  const [, file, digits] = /^(.+)@(\d{1,4})$/s.exec(path) ?? []
  if (file === undefined || system.exists(path) || !system.exists(file)) return { path, profile: null }
  return { path: file, profile: Number(digits) }
}
