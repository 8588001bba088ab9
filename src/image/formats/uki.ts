import { type ByteSource, withHead } from '../../bytes/bytes.ts'
import { textOfBytes } from '../../exact-text.ts'
import {
  type Contents,
  compressionAt,
  contentsOf,
  type ImageConfiguration,
  type ImageFormat,
  type ImagePart,
  type ImagePartChoice,
  imagePart,
  type Listing,
  type PartKind,
  unknownImage,
} from '../model/image.ts'
import { type PeSection, readPeFile, sectionSize } from '../model/pe-sections.ts'
import { efiStubOf, hasPeSignature, isPe, peArchitecture } from './pe.ts'

/** The most that is read of a text section, in bytes: some ten times a kernel's longest command line. */
export const MAX_TEXT = 64 * 1024

/** More profiles than any menu has room for; systemd-boot has the same limit (UNIFIED_PROFILES_MAX). */
const MAX_PROFILES = 256

/** The sections that are booted. */
const kinds = new Map<string, PartKind>([
  ['.linux', 'kernel'],
  ['.ucode', 'microcode'],
  ['.initrd', 'initrd'],
  ['.dtb', 'device-tree'],
  ['.dtbauto', 'device-tree'],
])

/** Sections that may occur several times. */
const repeated = new Set(['.initrd', '.dtbauto', '.hwids', '.efifw', '.profile'])

/** A unified kernel image: the UAPI group's "UKI" specification, and systemd-stub(7). */
export const uki: ImageFormat = {
  name: 'UKI',
  recognise: (head, source) => isPe(head) && sectionsOf(head, source).some(({ name }) => name === '.linux'),
  inspect(head, source) {
    const architecture = peArchitecture(head)
    const sections = sectionsOf(head, source)
    const text = (name: string) => {
      const section = sections.find((each) => each.name === name)
      return section === undefined || source === undefined ? undefined : sectionText(source, section)
    }
    const release = text('.uname')?.trim()
    const title = prettyName(text('.osrel') ?? '')
    const profiles = sections.filter(({ name }) => name === '.profile').length
    return {
      ...unknownImage,
      format: 'UKI',
      description: `a unified kernel image (UKI)${architecture === null ? '' : ` for ${architecture}`}: a PE executable that holds a kernel`,
      architecture,
      version: release && /^[!-~]+$/.test(release) ? release : null,
      signature: hasPeSignature(head) ? 'present' : 'absent',
      efiStub: efiStubOf(head),
      facts: [
        ...(title === undefined ? [] : [{ name: 'system', value: title }]),
        ...(profiles === 0 ? [] : [{ name: 'profiles', value: String(profiles) }]),
        { name: 'sections', value: sections.map(({ name }) => name).join(' ') },
      ],
      problems: placementProblems(sections, source?.size ?? Number.POSITIVE_INFINITY),
    }
  },
  unpack,
  list,
}

/** os-release(5): a value is quoted as for a shell. */
function prettyName(release: string): string | undefined {
  const [, double, single, bare] =
    /^PRETTY_NAME=(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|(.*))[ \t\r]*$/m.exec(release) ?? []
  const escaped = double?.replace(/\\(["$`\\])/g, '$1') ?? single
  return escaped ?? bare
}

function sectionsOf(head: Buffer, source: ByteSource | undefined): readonly PeSection[] {
  const file = readPeFile(withHead(head, source))
  return typeof file === 'string' ? [] : file.sections
}

function unpack(source: ByteSource, choice: ImagePartChoice): Contents {
  const file = readPeFile(source)
  if (typeof file === 'string') return contentsOf([], [`it ${file}`])
  const problems = placementProblems(file.sections, source.size)
  if (problems.length > 0) return contentsOf([], problems)
  const profiles = profilesOf(file.sections)
  const named = hasProfiles(file.sections) ? profiles : []
  const wanted = choice.profile ?? 0
  const profile = profiles[wanted]
  if (profile === undefined) return contentsOf([], [missingProfile(wanted, named.length)])
  const { sections } = profile
  for (const name of new Set(sections.map((section) => section.name))) {
    const times = sections.filter((section) => section.name === name).length
    if (times > 1 && kinds.has(name) && !repeated.has(name)) problems.push(`it has ${times} sections ${name}`)
  }
  const text = sections.find(({ name }) => name === '.cmdline')
  const parts = [...kinds.keys()].flatMap((name) =>
    sections.filter((section) => section.name === name).map((section) => partOfSection(source, section)),
  )
  return {
    parts,
    commandLine: text === undefined ? null : stubCommandLine(sectionText(source, text)),
    choices: named.map((each, index) => profileName(source, each, index)),
    chosen: named.length === 0 ? null : profileName(source, profile, wanted),
    problems,
  }
}

/** Every section, and every profile; nothing for an image whose sections lie in impossible places. */
function list(source: ByteSource): Listing {
  const file = readPeFile(source)
  if (typeof file === 'string' || placementProblems(file.sections, source.size).length > 0) {
    return { parts: [], configurations: [] }
  }
  const parts = file.sections.map((section) => partOfSection(source, section))
  if (!hasProfiles(file.sections)) return { parts, configurations: [] }
  return { parts, configurations: profilesOf(file.sections).map((each, index) => configuration(source, each, index)) }
}

function configuration(source: ByteSource, profile: UkiProfile, index: number): ImageConfiguration {
  const text = profile.sections.find(({ name }) => name === '.cmdline')
  return {
    name: `@${index}`,
    description: profileName(source, profile, index),
    isDefault: index === 0,
    parts: profile.sections.map(({ name }) => name),
    compatible: [],
    commandLine: text === undefined ? null : stubCommandLine(sectionText(source, text)),
    signatures: [],
  }
}

/** To complete a sentence about the image. */
export function missingProfile(wanted: number, profiles: number): string {
  return `it has no profile ${wanted}: there ${profiles === 1 ? 'is 1' : `are ${profiles}`}`
}

function partOfSection(source: ByteSource, section: PeSection): ImagePart {
  const { name, offset } = section
  const compression = name === '.linux' ? compressionAt(source.read(offset, 8), 0) : null
  return imagePart({ kind: kinds.get(name) ?? 'other', name, offset, length: sectionSize(section), compression })
}

/** An image with one of its profiles applied. */
export interface UkiProfile {
  /** Its own sections, `.profile` first; none for an image without profiles. */
  readonly own: readonly PeSection[]
  /** The sections before the first `.profile`, which all profiles share. */
  readonly base: readonly PeSection[]
  /** Its own sections, and those of the base with other names. None of them is empty. */
  readonly sections: readonly PeSection[]
}

/**
 * The profiles of an image, at least one: without any `.profile` the image is its own first one (systemd-stub(7),
 * "Multi-Profile UKIs"). A profile's sections replace all base sections of the same name, and an empty one hides them.
 */
export function profilesOf(sections: readonly PeSection[]): UkiProfile[] {
  const first = sections.findIndex(({ name }) => name === '.profile')
  const base = first === -1 ? sections : sections.slice(0, first)
  const profiles: PeSection[][] = []
  for (const section of sections.slice(base.length)) {
    if (section.name === '.profile') {
      if (profiles.length === MAX_PROFILES) break
      profiles.push([])
    }
    profiles.at(-1)?.push(section)
  }
  return (profiles.length === 0 ? [[]] : profiles).map((own) => ({ own, base, sections: merge(base, own) }))
}

function merge(base: readonly PeSection[], profile: readonly PeSection[]): PeSection[] {
  const own = new Set(profile.map(({ name }) => name))
  const merged = [...base.filter(({ name }) => !own.has(name)), ...profile]
  return merged.filter((section) => sectionSize(section) > 0)
}

/** Whether there is a choice of profiles, even of only one. */
export function hasProfiles(sections: readonly PeSection[]): boolean {
  return sections.some(({ name }) => name === '.profile')
}

function profileName(source: ByteSource, { own }: UkiProfile, index: number): string {
  const [section] = own
  const text = section === undefined ? '' : sectionText(source, section)
  const field = (name: string) => new RegExp(`^${name}=(["']?)(.*)\\1$`, 'm').exec(text)?.[2]
  return field('TITLE') ?? field('ID') ?? `@${index}`
}

/** The text of a section, to the first NUL, at most MAX_TEXT bytes. */
export function sectionText(source: ByteSource, section: PeSection): string {
  const bytes = source.read(section.offset, Math.min(sectionSize(section), MAX_TEXT))
  return textOfBytes(bytes).replace(/\0.*$/s, '')
}

/**
 * A command line as systemd-stub takes it from a section: control characters become blanks, none at the ends, and bytes
 * that are not UTF-8 are skipped (xstrn8_to_16 of src/boot/util.c).
 */
export function stubCommandLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the subject
  const spaced = text.replace(/[\udc80-\udcff]/gu, '').replace(/[\x00-\x1f\x7f]/g, ' ')
  let [start, end] = [0, spaced.length]
  while (spaced[start] === ' ') start++
  while (end > start && spaced[end - 1] === ' ') end--
  return spaced.slice(start, end)
}

function placementProblems(sections: readonly PeSection[], size: number): string[] {
  const problems: string[] = []
  const inFile = sections.filter(({ rawSize }) => rawSize > 0).sort((a, b) => a.offset - b.offset)
  let previous: PeSection | undefined
  for (const section of inFile) {
    if (section.offset + section.rawSize > size)
      problems.push(`its section ${section.name} lies beyond the end of the file`)
    if (previous !== undefined && previous.offset + previous.rawSize > section.offset) {
      problems.push(`its sections ${previous.name} and ${section.name} overlap`)
    }
    previous = section
  }
  return problems
}
