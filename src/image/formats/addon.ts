import type { ByteSource } from '../../bytes/bytes.ts'
import { type PeSection, readPeFile, sectionSize } from '../model/pe-sections.ts'
import { sectionText, stubCommandLine } from './uki.ts'

/** An addon of unified kernel images (systemd-stub(7), "Companion Files"): an EFI program without code, for its sections only. */
export interface Addon {
  /** As `uname -m` prints it, or null. */
  readonly architecture: string | null
  readonly isSigned: boolean
  /** The kernel release that it is for, or null: for any. */
  readonly release: string | null
  /** Its addition to the command line, as systemd-stub takes it; null for none. */
  readonly commandLine: string | null
  /** Those that are not empty. */
  readonly sections: readonly PeSection[]
}

/** The facts that decide whether an addon is used. */
export interface AddonUser {
  /** Of the image. */
  readonly architecture: string | null
  /** The image's .uname, or null. */
  readonly release: string | null
  readonly isSecureBoot: boolean
}

/**
 * @returns its fault when it cannot be one, to complete a sentence that begins with its path
 */
export function readAddon(source: ByteSource): Addon | string {
  const file = readPeFile(source)
  if (typeof file === 'string') return file
  const sections = file.sections.filter((section) => sectionSize(section) > 0)
  const cut = sections.find((section) => section.offset + sectionSize(section) > source.size)
  if (cut !== undefined) return `is truncated: it ends before its section ${cut.name} does`
  const text = (name: string) => {
    const section = sections.find((each) => each.name === name)
    return section === undefined ? null : sectionText(source, section)
  }
  const commandLine = text('.cmdline')
  return {
    architecture: file.architecture,
    isSigned: file.isSigned,
    release: text('.uname'),
    commandLine: commandLine === null ? null : stubCommandLine(commandLine) || null,
    sections,
  }
}

/**
 * Why an addon is not used with an image, to complete a sentence that begins with its path; null when it is. The firmware
 * loads none for another architecture, and under Secure Boot none that is not signed; systemd-stub uses none with a kernel in
 * it, and none for another kernel. Whether the firmware trusts a signature is not asked.
 */
export function addonRefusal(addon: Addon, image: AddonUser): string | null {
  if (addon.architecture !== image.architecture)
    return `is for ${addon.architecture ?? 'an unknown machine'}, and the image for ${image.architecture ?? 'another'}`
  if (image.isSecureBoot && !addon.isSigned) return 'is not signed, and this machine has Secure Boot'
  if (addon.sections.some(({ name }) => name === '.linux')) return 'holds a kernel, which an addon may not'
  if (isForAnother(addon, image))
    return `is for ${JSON.stringify(addon.release)}, and the kernel is ${JSON.stringify(image.release)}`
  return null
}

/** As systemd-stub compares: as many bytes as the addon says. */
export function isForAnother({ release }: Addon, image: AddonUser): boolean {
  return release !== null && image.release !== null && !image.release.startsWith(release)
}
