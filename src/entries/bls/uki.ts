import { NotPe, type PeFile, type PeSection, withPeFile } from '../../image/pe-sections.ts'
import type { System } from '../../system/system.ts'
import { HEAD_BYTES, identifyKernel } from '../identify.ts'
import { trimBlanks } from './type1.ts'

/**
 * A unified kernel image (https://uapi-group.org/specifications/specs/unified_kernel_image/) as far as a menu needs it: an
 * EFI program that carries kernel, initrd and command line in its sections.
 */
export interface UnifiedImage {
  readonly architecture: string | null
  /** What the sections of each profile say; at least one. */
  readonly profiles: readonly ImageProfile[]
}

export interface ImageProfile {
  /** Whether it holds a kernel at all: boot loaders and addons are EFI programs with sections as well. */
  readonly hasKernel: boolean
  /** Texts of the sections; null when there is none. */
  readonly osRelease: string | null
  readonly commandLine: string | null
  readonly profile: string | null
  /** Kernel release: .uname, else what the kernel inside says. */
  readonly release: string | null
  /** What is wrong with it, to complete a sentence that begins with the file's path. */
  readonly faults: readonly string[]
}

/** Longest text that is read from a section, bytes: what systemd takes as well (bootctl's limit is 4 MiB). */
const MAX_TEXT = 4 * 1024 * 1024

/** More profiles than any menu has room for; systemd-boot has a limit of its own (UNIFIED_PROFILES_MAX). */
const MAX_PROFILES = 256

/** @returns the image, or what is wrong with the file, to complete a sentence that begins with its path. */
export function readUnifiedImage(system: System, path: string): UnifiedImage | string {
  try {
    return withPeFile(system, path, (file) => ({
      architecture: file.architecture,
      profiles: sectionsByProfile(file.sections).map((sections) => profileOf(file, sections)),
    }))
  } catch (error) {
    if (error instanceof NotPe) return error.message
    const { code, message } = error as NodeJS.ErrnoException
    return `cannot be read (${code ?? message})`
  }
}

/**
 * A .profile section begins a profile, which has the sections up to the next, and of those before the first one what it
 * does not bring itself. Without any there is one profile.
 */
function sectionsByProfile(sections: readonly PeSection[]): Map<string, PeSection>[] {
  const base = new Map<string, PeSection>()
  const profiles: Map<string, PeSection>[] = []
  for (const section of sections) {
    if (section.name === '.profile') {
      if (profiles.length === MAX_PROFILES) break
      profiles.push(new Map(base))
    }
    const current = profiles.at(-1) ?? base
    // Of several of a name in one place the first counts; what comes from the base gives way.
    if (!current.has(section.name) || (current !== base && current.get(section.name) === base.get(section.name)))
      current.set(section.name, section)
  }
  return profiles.length === 0 ? [base] : profiles
}

function profileOf(file: PeFile, sections: ReadonlyMap<string, PeSection>): ImageProfile {
  const faults: string[] = []
  const bytes = (name: string, limit: number) => {
    const section = sections.get(name)
    if (section === undefined) return null
    const content = file.read(section, limit)
    if (content === undefined) faults.push(`is truncated: it ends before its section ${name} does`)
    return content ?? null
  }
  const text = (name: string) => bytes(name, MAX_TEXT)?.toString('utf8').replace(/\0.*$/s, '') ?? null
  const kernel = sections.get('.linux')
  const release =
    text('.uname')?.trim() || (kernel === undefined ? null : releaseInside(bytes('.linux', HEAD_BYTES), kernel))
  return {
    hasKernel: kernel !== undefined,
    osRelease: text('.osrel'),
    commandLine: text('.cmdline'),
    profile: text('.profile'),
    release,
    faults,
  }
}

function releaseInside(head: Buffer | null, { size }: PeSection): string | null {
  return head === null ? null : identifyKernel(head, size).version
}

/** A command line as systemd-stub takes it from a section: control characters are blanks, none at the ends. */
export function stubCommandLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  const spaced = text.replace(/[\x00-\x20\x7f]/g, ' ')
  return trimBlanks(spaced)
}
