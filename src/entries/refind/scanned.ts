import { posix } from 'node:path'
import type { FoundEntry } from '../model/found-entry.ts'
import { initrdNames } from '../names/initrd-names.ts'
import { kernelName } from '../names/kernel-names.ts'
import { compareVersions } from '../names/version.ts'
import type { Survey } from '../survey/survey.ts'
import type { ScanRules } from './configuration.ts'
import { isListed, type ScannedDirectory } from './scan-rules.ts'
import { initrdBeside, versionIn } from './versions.ts'
import { wordsOf } from './words.ts'

/**
 * The entries of a refind_linux.conf: every file in its directory that rEFInd takes for a kernel, with the options of
 * each line. The newest kernel's first line makes the entry of the main menu; the other lines, and older kernels if
 * folded, stand in its submenu (rEFInd's docs/refind/linux.html).
 */
export function scannedEntries(directory: ScannedDirectory, rules: ScanRules, survey: Survey): FoundEntry[] {
  const names = survey.system.list(directory.path)
  const known = new Set(names)
  const lines = optionLines(survey.readText(directory.config) ?? '')
  const kernels = newestFirst(
    names.filter((name) => isKernel(name, directory, known, rules, survey)),
    directory.path,
    survey,
  )
  const place = { directory, names, rules, survey }
  const [main] = kernels
  const wanted = kernels.flatMap((kernel) =>
    lines.map(([title, options], index) => ({ kernel, title, options, index })),
  )
  return survey.budget.entriesOf(wanted, ({ kernel, title, options, index }) => {
    survey.pay(names.length)
    const isFolded = rules.folds && kernel !== main
    const entry = entryOf(kernel, options, index === 0 && !isFolded, place)
    const id = index === 0 ? kernel : `${kernel}/${title}`
    if (isFolded) return { ...entry, id, title: `${kernel}: ${title}`, submenus: [main as string] }
    if (index > 0) return { ...entry, id, title, submenus: [kernel] }
    return { ...entry, id, title: kernels.length === 1 ? title : `${title}, ${kernel}` }
  })
}

/** Far more than anyone writes; each makes an entry for every kernel. */
const MAX_LINES = 100

function optionLines(text: string): [title: string, options: string][] {
  const lines = text
    .split('\n')
    .map(wordsOf)
    .filter((words) => words[0] !== undefined && words[1] !== undefined)
    .slice(0, MAX_LINES)
  return lines.map(([title = '', options = '']) => [title, options])
}

function isKernel(
  name: string,
  directory: ScannedDirectory,
  names: ReadonlySet<string>,
  rules: ScanRules,
  survey: Survey,
): boolean {
  const lower = name.toLowerCase()
  if (!rules.linuxPrefixes.some((prefix) => lower.startsWith(prefix.toLowerCase()))) return false
  if (/\.(?:icns|png)$/.test(lower) || (!rules.allKernels && !lower.endsWith('.efi'))) return false
  const path = posix.join(directory.path, name)
  if (!survey.pay(1 + rules.dontScanFiles.length + rules.linuxPrefixes.length)) return false
  if (!rules.followsLinks && survey.system.readLink(path) !== undefined) return false
  if (names.has(`${name}.efi.signed`) || isListed(name, directory, rules.dontScanFiles, survey)) return false
  return kernelName(name) !== undefined || survey.kernelFile(path).problems.length === 0
}

/**
 * rEFInd sorts by the time of change, which a captured tree has lost: there, by version. Fedora's rescue kernel is
 * last.
 */
function newestFirst(kernels: readonly string[], directory: string, survey: Survey): string[] {
  const { system } = survey
  const keyed = kernels.map((name) => ({
    name,
    isRescue: name.toLowerCase().includes('vmlinuz-0-rescue'),
    time: system.isLive ? (system.stat(posix.join(directory, name))?.mtimeMs ?? 0) : 0,
  }))
  return keyed
    .sort(
      (one, other) =>
        Number(one.isRescue) - Number(other.isRescue) || other.time - one.time || compareVersions(other.name, one.name),
    )
    .map(({ name }) => name)
}

interface Place {
  readonly directory: ScannedDirectory
  readonly names: readonly string[]
  readonly rules: ScanRules
  readonly survey: Survey
}

function entryOf(kernel: string, options: string, isMain: boolean, place: Place): FoundEntry {
  const { directory, names, rules, survey } = place
  const beside = initrdBeside(kernel, names, rules.extraVersions)
  // The main entry takes the version of the initrd's path, the others that of the kernel's.
  const versioned = isMain ? beside : kernel
  const version =
    versioned === undefined ? null : versionIn(posix.join(directory.onVolume, versioned), rules.extraVersions)
  // rEFInd replaces two at most: one as the line is read, one as the initrd is added.
  const commandLine = options.replace('%v', () => version ?? '').replace('%v', (whole) => version ?? whole)
  const start = { program: posix.join(directory.path, kernel), options: commandLine, config: directory.config }
  const started = survey.efiPrograms.started(start) ?? survey.efiPrograms.asKernel(start)
  const isNamed = /initrd=/i.test(commandLine) || started.described === true
  const uncertainties: string[] = []
  if (version === null && options.includes('%v')) uncertainties.push(`${kernel} has no version to stand for %v.`)
  const own = initrdNames(kernelName(kernel)?.suffix ?? '', null, null).find((name) => names.includes(name))
  if (!isNamed && own !== undefined && own !== beside)
    uncertainties.push(
      `rEFInd loads ${beside ?? 'no initrd'} with ${kernel}, not ${own}; extra_kernel_version_strings would tell them apart.`,
    )
  return {
    ...started,
    id: kernel,
    title: kernel,
    initrds: isNamed || beside === undefined ? started.initrds : [posix.join(directory.path, beside)],
    uncertainties: [...uncertainties, ...started.uncertainties],
  }
}
