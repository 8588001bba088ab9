import type { ByteSource } from './bytes.ts'
import {
  type Contents,
  compressionAt,
  contentsOf,
  type ImageFormat,
  type ImagePart,
  imagePart,
  type PartChoice,
  type PartKind,
  unknownImage,
} from './image.ts'
import { hasPeSignature, isPe, type PeSection, peArchitecture, peSections } from './pe.ts'

/** Most of a section of text that is read, bytes. */
const MAX_TEXT = 64 * 1024
/** The text sections of all profiles together. */
const HEAD = 4096

/** The sections that hold what is booted. */
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
  recognise: (head, source) => isPe(head) && peSections(head, source).some(({ name }) => name === '.linux'),
  inspect(head, source) {
    const architecture = peArchitecture(head)
    const sections = peSections(head, source)
    const text = (name: string) => {
      const section = sections.find((each) => each.name === name)
      return section === undefined || source === undefined ? undefined : readText(source, section)
    }
    const release = text('.uname')?.trim()
    const title = /^PRETTY_NAME=(["']?)(.*)\1$/m.exec(text('.osrel') ?? '')?.[2]
    const profiles = sections.filter(({ name }) => name === '.profile').length
    return {
      ...unknownImage,
      format: 'UKI',
      description: `a unified kernel image (UKI)${architecture === null ? '' : ` for ${architecture}`}: a PE executable that holds a kernel`,
      architecture,
      version: release && /^[!-~]+$/.test(release) ? release : null,
      signature: hasPeSignature(head) ? 'present' : 'absent',
      facts: [
        ...(title === undefined ? [] : [{ name: 'system', value: title }]),
        ...(profiles === 0 ? [] : [{ name: 'profiles', value: String(profiles) }]),
        { name: 'sections', value: sections.map(({ name }) => name).join(' ') },
      ],
      problems: placementProblems(sections, source?.size ?? Number.POSITIVE_INFINITY),
    }
  },
  unpack,
}

function unpack(source: ByteSource, choice: PartChoice): Contents {
  // A section without bytes in the file is as good as none, but a `.profile` divides all the same.
  const all = peSections(source.read(0, HEAD), source)
  const sections = all.filter(({ name, rawSize }) => rawSize > 0 || name === '.profile')
  const problems = placementProblems(sections, source.size)
  if (problems.length > 0) return contentsOf([], problems)
  const [base, ...profiles] = splitProfiles(sections)
  const wanted = choice.profile ?? 0
  const profile = profiles[wanted]
  if (profile === undefined && choice.profile !== undefined) {
    problems.push(`it has no profile ${wanted}: there ${profiles.length === 1 ? 'is 1' : `are ${profiles.length}`}`)
  }
  const chosen = merge(base ?? [], profile ?? [])
  for (const name of new Set(chosen.map((section) => section.name))) {
    const times = chosen.filter((section) => section.name === name).length
    if (times > 1 && kinds.has(name) && !repeated.has(name)) problems.push(`it has ${times} sections ${name}`)
  }
  const text = chosen.find(({ name }) => name === '.cmdline')
  const parts = [...kinds.keys()].flatMap((name) =>
    chosen.filter((section) => section.name === name).map((section) => partOfSection(source, section)),
  )
  return {
    parts,
    commandLine: text === undefined ? null : readText(source, text),
    choices: profiles.map((each, index) => profileName(source, each, index)),
    chosen: profile === undefined ? null : profileName(source, profile, wanted),
    problems,
  }
}

function partOfSection(source: ByteSource, section: PeSection): ImagePart {
  const { name, offset } = section
  const compression = name === '.linux' ? compressionAt(source.read(offset, 8), 0) : null
  return imagePart({ kind: kinds.get(name) ?? 'other', name, offset, length: sizeOf(section), compression })
}

/** The sections before the first `.profile`, then those of each profile. */
function splitProfiles(sections: readonly PeSection[]): PeSection[][] {
  const groups: PeSection[][] = [[]]
  for (const section of sections) {
    if (section.name === '.profile') groups.push([])
    groups.at(-1)?.push(section)
  }
  return groups
}

/** A profile's sections take the place of all base sections of the same name. */
function merge(base: readonly PeSection[], profile: readonly PeSection[]): PeSection[] {
  const own = new Set(profile.map(({ name }) => name))
  return [...base.filter(({ name }) => !own.has(name)), ...profile]
}

function profileName(source: ByteSource, profile: readonly PeSection[], index: number): string {
  const section = profile.find(({ name }) => name === '.profile')
  const text = section === undefined ? '' : readText(source, section)
  const field = (name: string) => new RegExp(`^${name}=(["']?)(.*)\\1$`, 'm').exec(text)?.[2]
  return field('TITLE') ?? field('ID') ?? `@${index}`
}

/** A section's bytes: VirtualSize is its length before the file padded it, where it is set. */
function sizeOf({ virtualSize, rawSize }: PeSection): number {
  return virtualSize > 0 ? Math.min(virtualSize, rawSize) : rawSize
}

function readText(source: ByteSource, section: PeSection): string {
  const bytes = source.read(section.offset, Math.min(sizeOf(section), MAX_TEXT))
  return bytes.toString('utf8').replace(/\0.*$/s, '')
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
