import { unquote } from '../efi/blanks.ts'
import type { StartedKernel } from '../efi/efi-program.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import type { MenuReading } from './reading.ts'
import type { Type1Keys } from './type1.ts'

/** The program and arguments of a type 1 entry. */
export interface BootProgram {
  readonly kernel: string | null
  readonly initrds: readonly string[]
  readonly commandLine: string | null
  readonly version: string | null
  readonly architecture: string | null
  /** For a unified kernel image with profiles. */
  readonly profile: number | null
  readonly isHidden: boolean
  /** Whether version, architecture and file problems are known already. */
  readonly isDescribed: boolean
  readonly problems: readonly BootProblem[]
  readonly uncertainties: readonly string[]
}

/** Keys that name the program to start; an entry may have one of them. */
const kinds = ['linux', 'uki', 'uki-url', 'efi'] as const

/** More initrds than any entry has, and more parts than any initrd line has. */
const MAX_INITRDS = 256

/** Variables worth a sentence each. */
const MAX_NAMED = 8

const nothing = {
  kernel: null,
  initrds: [],
  commandLine: null,
  version: null,
  architecture: null,
  profile: null,
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
    return { ...nothing, isHidden: true, problems: problemsOf('configuration-mistake', [problem]) }
  }
  const [kind] = named
  const value = unquote(keys.get(kind ?? '')?.at(-1) ?? '')
  if (kind === undefined || value === '') {
    const problem = `${path} names nothing to start: it has neither linux nor efi nor uki.`
    return { ...nothing, isHidden: true, problems: problemsOf('configuration-mistake', [problem]) }
  }
  if (kind === 'linux') return linuxOf(value, keys, path, reading)
  if (kind === 'uki-url')
    return {
      ...nothing,
      problems: problemsOf('out-of-reach', [
        `${path} starts a unified kernel image that is not local: it is fetched from the network: ${value}.`,
      ]),
    }
  return efiProgramOf(kind, value, keys, path, reading)
}

/** A unified kernel image, a kernel by its own stub, or something else. */
function efiProgramOf(
  kind: 'uki' | 'efi',
  value: string,
  keys: Type1Keys,
  path: string,
  reading: MenuReading,
): BootProgram {
  const { survey } = reading
  const unknown = new Set<string>()
  const { path: program, exists } = survey.volumes.locate(value, path)
  if (!exists) {
    if (kind === 'uki') return { ...nothing, kernel: program, isHidden: true }
    return {
      ...nothing,
      isHidden: true,
      problems: problemsOf('missing-kernel', [`${path} starts the EFI program ${program}, which does not exist.`]),
    }
  }
  const options = loadOptions(keys, reading, unknown)
  const started = survey.efiPrograms.started({ program, options, config: path })
  if (started !== null) return programStarted(started, unknown, path)
  if (kind === 'uki')
    return {
      ...nothing,
      problems: problemsOf('not-a-kernel', [`${path} names ${program}, which is not a unified kernel image.`]),
    }
  return {
    ...nothing,
    problems: problemsOf('no-kernel', [`${path} starts the EFI program ${program}, not a Linux kernel.`]),
  }
}

/**
 * The kernel with its initrds, which systemd-boot passes to it. It is an EFI program as well, if only a kernel's own.
 */
function linuxOf(value: string, keys: Type1Keys, path: string, reading: MenuReading): BootProgram {
  const unknown = new Set<string>()
  const kernel = reading.survey.volumes.locate(value, path)
  const named = keys.get('initrd') ?? []
  const initrds = named
    .slice(0, MAX_INITRDS)
    .flatMap((initrd) => initrdsOf(unquote(initrd), path, reading, unknown).slice(0, MAX_INITRDS))
  const problems =
    named.length > MAX_INITRDS ? [`${path} has ${named.length} initrd lines; the first ${MAX_INITRDS} are read.`] : []
  const options = loadOptions(keys, reading, unknown)
  const start = { program: kernel.path, options, config: path, initrds }
  const { efiPrograms } = reading.survey
  const started = efiPrograms.started(start) ?? efiPrograms.asKernel(start)
  const isHidden = !kernel.exists
  return {
    ...programStarted(started, unknown, path),
    isHidden,
    problems: [...problemsOf('left-out', problems), ...started.problems],
  }
}

function programStarted(started: StartedKernel, unknown: ReadonlySet<string>, path: string): BootProgram {
  const { described = false, version = null, architecture = null, profile = null, ...rest } = started
  const uncertainties = [...unset(unknown, path), ...started.uncertainties]
  return { ...nothing, ...rest, version, architecture, profile, isDescribed: described, uncertainties }
}

/** The arguments that systemd-boot gives to the program: the options, preceded by a profile other than the first. */
function loadOptions(keys: Type1Keys, reading: MenuReading, unknown: Set<string>): string | null {
  const options = optionsOf(keys, reading, unknown)
  const number = /^\d{1,9}$/.exec(unquote(keys.get('profile')?.at(-1) ?? ''))?.[0]
  if (number === undefined || Number(number) === 0) return options
  return options === null || options === '' ? `@${Number(number)}` : `@${Number(number)} ${options}`
}

function unset(variables: ReadonlySet<string>, path: string): string[] {
  return [...variables]
    .slice(0, MAX_NAMED)
    .map((name) => `${path} has $${name}, which is left out: no grubenv and no grub.cfg was found that sets it.`)
}

/** The options joined, or null when there are none. */
function optionsOf(keys: Type1Keys, { variables }: MenuReading, unknown: Set<string>): string | null {
  const options = keys.get('options')
  if (options === undefined) return null
  return expanded(options.map(unquote).join(' '), variables, unknown)
}

/** An initrd line names one file; for GRUB it may name several, and some by variables. */
function initrdsOf(value: string, path: string, { survey, variables }: MenuReading, unknown: Set<string>): string[] {
  const text = expanded(value, variables, unknown)
  const whole = survey.volumes.locate(text, path)
  if (variables === null || (whole.exists && text !== '')) return [whole.path]
  const parts = text.split(/[ \t]+/).filter((part) => part !== '')
  return parts.slice(0, MAX_INITRDS).map((part) => survey.volumes.locate(part, path).path)
}

function expanded(text: string, variables: MenuReading['variables'], unknown: Set<string>): string {
  if (variables === null) return text
  const expansion = variables.expand(text)
  for (const name of expansion.unknown) unknown.add(name)
  return expansion.text
}
