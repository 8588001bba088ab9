import { machineOf } from '../efi/architectures.ts'
import { unquote } from '../efi/blanks.ts'
import { splitBootCount } from '../efi/boot-counting.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import type { LoaderEntry } from './loader-entry.ts'
import { programOf } from './program.ts'
import type { MenuReading } from './reading.ts'
import { parseType1, type Type1Keys } from './type1.ts'

/** Files worth naming. */
const MAX_NAMED = 8

/** An entry of a type 1 file. @param path of the file. */
export function type1Entry(path: string, file: string, text: string, reading: MenuReading): LoaderEntry {
  const { id, count } = splitBootCount(file)
  const keys = parseType1(text)
  const value = (key: string) => last(keys, key)
  const problems: BootProblem[] = []
  if (text.startsWith('\uFEFF'))
    problems.push({
      code: 'configuration-mistake',
      text: `${path} begins with a byte order mark, which boot loaders take for a part of its first key.`,
    })
  const program = programOf(keys, path, reading)
  const architecture = value('architecture')
  const machine = architecture === null ? null : machineOf(architecture)
  problems.push(...program.problems, ...problemsOf('options-ignored', overlays(keys, path)))
  const version = value('version')
  const title = value('title')
  return {
    id,
    count,
    title,
    sortKey: value('sort-key'),
    machineId: value('machine-id'),
    version,
    profile: 0,
    machine,
    isHidden: program.isHidden,
    isAutomatic: false,
    found: {
      id,
      title: title ?? id,
      kernel: program.kernel,
      initrds: program.initrds,
      commandLine: program.commandLine,
      described: program.isDescribed,
      config: path,
      version: program.version ?? releaseOf(version),
      profile: program.profile,
      deviceTree: devicetreeOf(value('devicetree'), path, reading),
      architecture: program.architecture ?? machine,
      machineId: value('machine-id'),
      problems,
      uncertainties: [...program.uncertainties, ...extras(keys, path)],
    },
  }
}

/** The last value of a key, which counts; null when there is none. */
export function last(keys: Type1Keys, key: string): string | null {
  const value = keys.get(key)?.at(-1)
  return value === undefined ? null : unquote(value)
}

/** NixOS has 'Generation 12 NixOS 24.05, Linux Kernel 6.6.58, built on 2024-10-28' as a version. */
function releaseOf(version: string | null): string | null {
  return version !== null && /^\d+\.\d\S*$/.test(version) ? version : null
}

function devicetreeOf(value: string | null, path: string, { survey }: MenuReading): string | null {
  return value === null ? null : survey.volumes.locate(value, path).path
}

/**
 * Addons and credentials besides those that lie with the image
 * (https://uapi-group.org/specifications/specs/boot_loader_specification/).
 */
function extras(keys: Type1Keys, path: string): string[] {
  const named = (keys.get('extra') ?? []).map(unquote).slice(0, MAX_NAMED)
  return named.length === 0
    ? []
    : [`${path} names extra files for the image, which are not loaded: ${named.join(', ')}.`]
}

function overlays(keys: Type1Keys, path: string): string[] {
  return keys.has('devicetree-overlay')
    ? [`${path} names a devicetree-overlay, which systemd-boot and linux-kexec do not apply.`]
    : []
}
