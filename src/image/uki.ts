import type { PeFile, PeSection } from './pe-sections.ts'

/** A unified kernel image: UAPI group's specification of that name. */
export interface UnifiedKernel {
  readonly architecture: string | null
  /** All of them, in the order of the file; a later profile repeats names. */
  readonly sections: readonly PeSection[]
  /** How many profiles follow the base: sections `.profile`. */
  readonly profiles: number
  /** `.uname`: the kernel's release, or null. */
  readonly release: string | null
  /** `.osrel`: an os-release file, or null. */
  readonly osRelease: string | null
  /** `.cmdline` of the base, or null. */
  readonly commandLine: string | null
}

const MAX_TEXT = 64 * 1024

/** Undefined when the file has no `.linux` section. Texts are those of the base, before the first profile. */
export function readUki(file: PeFile): UnifiedKernel | undefined {
  const { sections, architecture } = file
  if (!sections.some(({ name }) => name === '.linux')) return undefined
  const firstProfile = sections.findIndex(({ name }) => name === '.profile')
  const base = firstProfile < 0 ? sections : sections.slice(0, firstProfile)
  const text = (wanted: string) => {
    const section = base.find(({ name }) => name === wanted)
    const bytes = section && file.read(section, MAX_TEXT)
    // ukify and objcopy may leave a NUL or a line end at the end.
    return bytes?.toString('utf8').replace(/[\0\s]+$/, '') ?? null
  }
  return {
    architecture,
    sections,
    profiles: sections.filter(({ name }) => name === '.profile').length,
    release: text('.uname'),
    osRelease: text('.osrel'),
    commandLine: text('.cmdline'),
  }
}
