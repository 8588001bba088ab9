import { posix } from 'node:path'
import { initrdNames } from '../initrd-names.ts'
import { kernelName } from '../kernel-names.ts'
import type { FoundEntry } from '../source.ts'
import type { Survey } from '../survey.ts'
import { compareVersions } from '../version.ts'
import { wordsOf } from './configuration.ts'

/**
 * The entries of a refind_linux.conf: every kernel in its folder, with the options of each line. The first line makes the
 * entry of the main menu, all lines its submenu (rEFInd's docs/refind/linux.html).
 */
export function scannedEntries(config: string, survey: Survey): FoundEntry[] {
  const folder = posix.dirname(config)
  const names = survey.system.list(folder)
  const lines = optionLines(survey.readText(config) ?? '')
  const kernels = names.filter((name) => /^(?:vmlinuz|bzImage|kernel)/i.test(name) && kernelName(name) !== undefined)
  return newestFirst(kernels, folder, survey).flatMap((kernel) =>
    lines.map(([title, options], index) => {
      const entry = entryOf(kernel, options, { folder, config, names: new Set(names), survey })
      return index === 0
        ? { ...entry, id: kernel, title: kernels.length === 1 ? title : `${title}, ${kernel}` }
        : { ...entry, id: `${kernel}/${title}`, title, submenus: [kernel] }
    }),
  )
}

/** Far more than anyone writes; each makes an entry of every kernel. */
const MAX_LINES = 100

function optionLines(text: string): [title: string, options: string][] {
  const lines = text
    .split('\n')
    .map(wordsOf)
    .filter((words) => words[0] !== undefined && words[1] !== undefined)
    .slice(0, MAX_LINES)
  return lines.map(([title = '', options = '']) => [title, options])
}

/** rEFInd goes by the time of change, which a captured tree has lost: there, by version. */
function newestFirst(kernels: readonly string[], folder: string, survey: Survey): string[] {
  const { system } = survey
  const keyed = kernels.map((name) => ({
    name,
    time: system.isLive ? (system.stat(posix.join(folder, name))?.mtimeMs ?? 0) : 0,
  }))
  return keyed
    .sort((one, other) => other.time - one.time || compareVersions(other.name, one.name))
    .map(({ name }) => name)
}

interface Place {
  readonly folder: string
  readonly config: string
  readonly names: ReadonlySet<string>
  readonly survey: Survey
}

function entryOf(kernel: string, options: string, { folder, config, names, survey }: Place): FoundEntry {
  const version = versionIn(kernel)
  const cmdline = version === null ? options : options.replaceAll('%v', version)
  const start = { program: posix.join(folder, kernel), options: cmdline, config }
  const started = survey.efiPrograms.started(start) ?? survey.efiPrograms.asKernel(start)
  const suffix = kernelName(kernel)?.suffix ?? ''
  const beside = initrdNames(suffix, version, null).find((name) => names.has(name)) ?? sameVersion(version, names)
  const isNamed = /initrd=/i.test(cmdline) || beside === undefined || started.described === true
  const noVersion = version === null && options.includes('%v')
  return {
    ...started,
    id: kernel,
    title: kernel,
    initrds: isNamed ? started.initrds : [posix.join(folder, beside)],
    uncertainties: [...(noVersion ? [`${kernel} has no version to stand for %v.`] : []), ...started.uncertainties],
  }
}

/** rEFInd's version of a file: from its first digit to its last. */
function versionIn(name: string): string | null {
  const plain = name.replace(/\.(?:img|gz|xz|zst|efi)$/i, '')
  const first = plain.search(/\d/)
  if (first < 0) return null
  const last = plain.length - [...plain].reverse().findIndex((letter) => /\d/.test(letter))
  return plain.slice(first, last)
}

function sameVersion(version: string | null, names: ReadonlySet<string>): string | undefined {
  return version === null
    ? undefined
    : [...names].find((name) => /^(?:init|booster)/.test(name) && versionIn(name) === version)
}
