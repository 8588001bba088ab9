import type { MenuReading } from './reading.ts'
import { type Type1Keys, unquote } from './type1.ts'
import { imageStart } from './type2-entry.ts'
import { readUnifiedImage } from './uki.ts'

/** What a type 1 entry starts, and with what. */
export interface BootProgram {
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly cmdline: string | null
  readonly version: string | null
  readonly architecture: string | null
  readonly isHidden: boolean
  /** Whether version, architecture and file problems are told already. */
  readonly isDescribed: boolean
  readonly problems: readonly string[]
  readonly uncertainties: readonly string[]
}

/** Keys that name what is to be started; an entry may have one of them. */
const kinds = ['linux', 'uki', 'uki-url', 'efi'] as const

const nothing = {
  kernel: null,
  initrds: [],
  cmdline: null,
  version: null,
  architecture: null,
  isHidden: false,
  isDescribed: false,
  problems: [],
  uncertainties: [],
} as const satisfies BootProgram

/** @param path of the type 1 file. */
export function programOf(keys: Type1Keys, path: string, reading: MenuReading): BootProgram {
  const named = kinds.filter((kind) => keys.has(kind))
  if (named.length > 1) {
    const problem = `${path} has both ${named.join(' and ')}, so systemd-boot does not show it.`
    return { ...nothing, isHidden: true, problems: [problem] }
  }
  const [kind] = named
  const value = unquote(keys.get(kind ?? '')?.at(-1) ?? '')
  if (kind === undefined || value === '') {
    const problem = `${path} names nothing to start: it has neither linux nor efi nor uki.`
    return { ...nothing, isHidden: true, problems: [problem] }
  }
  if (kind === 'linux') return linuxOf(value, keys, path, reading)
  if (kind === 'uki-url')
    return { ...nothing, problems: [`${path} starts what is fetched from the network: ${value}.`] }
  return efiProgramOf(kind, value, keys, path, reading)
}

/** An EFI program: a unified kernel image, a kernel by its own stub, or something else. */
function efiProgramOf(
  kind: 'uki' | 'efi',
  value: string,
  keys: Type1Keys,
  path: string,
  reading: MenuReading,
): BootProgram {
  const { survey } = reading
  const unknown = new Set<string>()
  const { path: file, exists } = survey.volumes.locate(value, path)
  if (!exists) {
    if (kind === 'uki') return { ...nothing, kernel: file, isHidden: true }
    return { ...nothing, isHidden: true, problems: [`${path} starts the EFI program ${file}, which does not exist.`] }
  }
  const options = optionsOf(keys, reading, unknown)
  const uncertainties = unset(unknown, path)
  const image = readUnifiedImage(survey.system, file)
  const number = Number(unquote(keys.get('profile')?.at(-1) ?? '0'))
  const profile = typeof image === 'string' ? undefined : (image.profiles[number] ?? image.profiles[0])
  if (typeof image !== 'string' && profile?.hasKernel) {
    const { found, problems, addonOptions } = imageStart(file, profile, image, reading)
    const cmdline = options === null ? found.cmdline : [options, ...addonOptions].join(' ').trim()
    return { ...nothing, ...found, cmdline, isDescribed: true, problems, uncertainties }
  }
  if (survey.kernelFile(file).problems.length === 0)
    return { ...nothing, kernel: file, cmdline: options ?? '', uncertainties }
  if (kind === 'uki') return { ...nothing, problems: [`${path} names ${file}, which is no unified kernel image.`] }
  return { ...nothing, problems: [`${path} starts the EFI program ${file}, not a Linux kernel.`] }
}

function linuxOf(value: string, keys: Type1Keys, path: string, reading: MenuReading): BootProgram {
  const { survey } = reading
  const unknown = new Set<string>()
  const kernel = survey.volumes.locate(value, path)
  const initrds = (keys.get('initrd') ?? []).flatMap((initrd) => initrdsOf(unquote(initrd), path, reading, unknown))
  const cmdline = optionsOf(keys, reading, unknown) ?? ''
  const uncertainties = unset(unknown, path)
  return { ...nothing, kernel: kernel.path, initrds, cmdline, isHidden: !kernel.exists, uncertainties }
}

function unset(variables: ReadonlySet<string>, path: string): string[] {
  return [...variables].map(
    (name) => `${path} has $${name}, which is left out: no grubenv and no grub.cfg was found that sets it.`,
  )
}

/** The options joined, or null when there are none. */
function optionsOf(keys: Type1Keys, { variables }: MenuReading, unknown: Set<string>): string | null {
  const options = keys.get('options')
  if (options === undefined) return null
  const expansion = variables.expand(options.map(unquote).join(' '))
  for (const name of expansion.unknown) unknown.add(name)
  return expansion.text
}

/** An initrd line names one file; for GRUB it may name several, and some by variables. */
function initrdsOf(value: string, path: string, { survey, variables }: MenuReading, unknown: Set<string>): string[] {
  const expansion = variables.expand(value)
  for (const name of expansion.unknown) unknown.add(name)
  const whole = survey.volumes.locate(expansion.text, path)
  const parts = expansion.text.split(/[ \t]+/).filter((part) => part !== '')
  if (parts.length < 2) return parts.length === 0 ? [] : [whole.path]
  return whole.exists ? [whole.path] : parts.map((part) => survey.volumes.locate(part, path).path)
}
