import { posix } from 'node:path'
import { hasHiddenVariables } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import { thisMachine } from '../efi/architectures.ts'
import { everyTimeout, onceTimeout, waitsForKey } from '../efi/menu-timeout.ts'
import { type BootPartition, machineOfLoaders } from '../efi/partitions.ts'
import type { Menu } from '../model/found-entry.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { automaticEntries } from './automatic.ts'
import { bootRelease, defaultEntry } from './default.ts'
import { hideForeign } from './foreign.ts'
import { GrubVariables } from './grub-variables.ts'
import { type LoaderConf, parseLoaderConf } from './loader-conf.ts'
import type { LoaderEntry } from './loader-entry.ts'
import type { MenuReading } from './reading.ts'
import { compareLoaderEntries } from './sort.ts'
import { shownTitles } from './titles.ts'
import { type1Entry } from './type1-entry.ts'
import { type2Entries } from './type2-entry.ts'

/**
 * systemd-boot's menu: the entries of the Boot Loader Specification, type 1 (loader/entries/*.conf) and type 2
 * (EFI/Linux/*.efi), from the ESP and the extended boot loader partition. Other boot loaders also read type 1 files.
 */
export const bls: EntrySource = {
  name: 'bls',
  find: (survey) => {
    const { partitions } = survey.efiPrograms
    if (partitions.length === 0) return []
    const problems: BootProblem[] = []
    const conf = loaderConfOf(partitions, survey)
    const reading = { survey, variables: isInUse(conf, partitions, survey) ? null : new GrubVariables(survey) }
    const found = partitions.flatMap((partition) => entriesOf(partition, reading, problems))
    const machine = machineOfLoaders(partitions, survey) ?? (survey.system.isLive ? thisMachine : null)
    const entries = [
      ...hideForeign(found, machine, survey).sort(compareLoaderEntries),
      ...automaticEntries(partitions, conf, survey),
    ]
    if (entries.length === 0 && conf === null) return []
    return [menuOf(entries, conf, partitions, reading, problems)]
  },
}

/** Whether there is a sign of systemd-boot besides entries, which other boot loaders read as well. */
function isInUse(conf: LoaderConf | null, partitions: readonly BootPartition[], { system }: Survey): boolean {
  return conf !== null || partitions.some(({ program }) => program !== null) || bootRelease(system) !== null
}

/** Only the ESP's counts. Where the ESP is unknown, it is the partition that has the file. */
function loaderConfOf(partitions: readonly BootPartition[], survey: Survey): LoaderConf | null {
  const [first] = partitions
  const esp = first?.program != null ? first : partitions.find(({ loaderConf }) => loaderConf !== null)
  const path = esp?.loaderConf ?? null
  const text = path === null ? undefined : survey.readText(path)
  return path === null || text === undefined ? null : parseLoaderConf(text, path)
}

function entriesOf(partition: BootPartition, reading: MenuReading, problems: BootProblem[]): LoaderEntry[] {
  return [...type1Entries(partition, reading, problems), ...type2EntriesOf(partition, reading)]
}

function type1Entries({ entries }: BootPartition, reading: MenuReading, problems: BootProblem[]): LoaderEntry[] {
  if (entries === null) return []
  const { survey } = reading
  const found: LoaderEntry[] = []
  for (const [file, text] of survey.readTexts(entries, (name) => isEntryFile(name, '.conf'))) {
    const path = `${entries}/${file}`
    const entry = text === undefined ? undefined : type1Entry(path, file, text, reading)
    if (!survey.budget.hasRoom) break
    if (entry !== undefined) {
      if (survey.budget.afford(entry.found)) found.push(entry)
    } else if (survey.system.stat(path)?.isDirectory() !== true)
      problems.push({ code: 'configuration-unreadable', text: `${path} cannot be read.` })
  }
  return found
}

function type2EntriesOf({ images }: BootPartition, reading: MenuReading): LoaderEntry[] {
  if (images === null) return []
  const { budget, system } = reading.survey
  const found: LoaderEntry[] = []
  for (const file of system.list(images)) {
    if (!isEntryFile(file, '.efi')) continue
    const path = posix.join(images, file)
    if (system.stat(path)?.isDirectory() === true) continue
    for (const entry of type2Entries(path, file, reading)) {
      if (!budget.hasRoom) return found
      if (budget.afford(entry.found)) found.push(entry)
    }
  }
  return found
}

/** systemd-boot skips hidden files, and names that begin like those of the entries it makes itself. */
function isEntryFile(name: string, suffix: string): boolean {
  const lower = name.toLowerCase()
  return lower.endsWith(suffix) && !lower.startsWith('.') && !lower.startsWith('auto-')
}

function menuOf(
  entries: readonly LoaderEntry[],
  conf: LoaderConf | null,
  partitions: readonly BootPartition[],
  { survey, variables }: MenuReading,
  problems: readonly BootProblem[],
): Menu {
  const shown = entries.filter(({ isHidden }) => !isHidden)
  shownTitles(shown).forEach((title, index) => {
    const entry = shown[index]
    if (entry !== undefined) entry.found.title = title
  })
  const { chosen, undecided, problems: unmatched } = defaultEntry(shown, conf, survey.system, variables)
  const doubt = hasHiddenVariables(survey.system)
    ? 'The EFI variables may choose another default, and cannot be seen: efivarfs is not mounted, or empty.'
    : undefined
  const directory = partitions.find((partition) => partition.entries ?? partition.images)
  return {
    source: 'bls',
    config: conf?.path ?? directory?.entries ?? directory?.images ?? '/loader/entries',
    entries: entries.map(({ found }) => found),
    preset: chosen === null ? null : { entry: chosen.entry.found, reason: chosen.reason, doubt },
    ...(undecided === null ? {} : { undecided }),
    waits: waitOf(conf, survey.system),
    problems: [...problemsOf('configuration-mistake', conf?.problems ?? []), ...problems, ...unmatched],
  }
}

/** By config_load_defaults of src/boot/boot.c. */
function waitOf(conf: LoaderConf | null, system: System): string | undefined {
  const variable = onceTimeout(system) ?? everyTimeout(system)
  if (variable !== undefined)
    return variable.waits ? `the EFI variable ${variable.name} makes systemd-boot wait for a key` : undefined
  return conf?.timeout && waitsForKey(conf.timeout)
    ? `timeout is ${conf.timeout} in ${conf.path}, so systemd-boot waits for a key`
    : undefined
}
