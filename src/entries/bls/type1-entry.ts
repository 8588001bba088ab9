import { machineOf } from './architectures.ts'
import { splitBootCount } from './boot-counting.ts'
import type { LoaderEntry } from './loader-entry.ts'
import { type BootProgram, programOf } from './program.ts'
import type { MenuReading } from './reading.ts'
import { parseType1, type Type1Keys, unquote } from './type1.ts'

/** An entry of a type 1 file. @param path of the file. */
export function type1Entry(path: string, file: string, text: string, reading: MenuReading): LoaderEntry {
  const { id, count } = splitBootCount(file)
  const keys = parseType1(text)
  const value = (key: string) => last(keys, key)
  const problems: string[] = []
  if (text.startsWith('\uFEFF'))
    problems.push(`${path} begins with a byte order mark, which boot loaders take for a part of its first key.`)
  const program = programOf(keys, path, reading)
  const architecture = value('architecture')
  const machine = architecture === null ? null : machineOf(architecture)
  const isForeign = machine !== null && reading.machine !== null && machine !== reading.machine
  if (isForeign)
    problems.push(
      `${path} is for the architecture ${architecture}, so systemd-boot does not show it on ${reading.machine}.`,
    )
  problems.push(...program.problems, ...overlays(keys, path))
  const version = value('version')
  return {
    id,
    count,
    title: value('title'),
    sortKey: value('sort-key'),
    machineId: value('machine-id'),
    version,
    profile: 0,
    isHidden: isForeign || program.isHidden,
    isAutomatic: false,
    found: {
      ...foundProgram(program),
      config: path,
      version: program.version ?? releaseOf(version),
      devicetree: devicetreeOf(value('devicetree'), path, reading),
      architecture: program.architecture ?? machine,
      problems,
      uncertainties: program.uncertainties,
    },
  }
}

function foundProgram({ kernel, initrds, cmdline, isDescribed }: BootProgram) {
  return { kernel, initrds, cmdline, ...(isDescribed ? { described: true } : {}) }
}

/** What a key says last, which is what counts; null when it says nothing. */
export function last(keys: Type1Keys, key: string): string | null {
  const value = keys.get(key)?.at(-1)
  return value === undefined ? null : unquote(value)
}

/** NixOS has 'Generation 12 NixOS 24.05, Linux Kernel 6.6.58, built on 2024-10-28' for a version. */
function releaseOf(version: string | null): string | null {
  return version !== null && /^\d+\.\d\S*$/.test(version) ? version : null
}

function devicetreeOf(value: string | null, path: string, { survey }: MenuReading): string | null {
  return value === null ? null : survey.volumes.locate(value, path).path
}

function overlays(keys: Type1Keys, path: string): string[] {
  return keys.has('devicetree-overlay')
    ? [`${path} names a devicetree-overlay, which systemd-boot and linux-kexec do not apply.`]
    : []
}
