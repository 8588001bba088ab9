import { posix } from 'node:path'
import { hasHiddenVariables } from '../../system/efi-variables.ts'
import type { FoundEntry, Menu } from '../model/found-entry.ts'
import { problemsOf } from '../model/problem.ts'
import { filesAt } from '../paths/loader-path.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { type RefindConfiguration, readRefind, type Stanza } from './configuration.ts'
import { lastStarted, type MainEntry, presetOf } from './default-selection.ts'
import { scannedDirectory, volumeOf } from './scan-rules.ts'
import { scannedEntries } from './scanned.ts'

const tops = ['/boot/efi', '/efi', '/boot', ''] as const

/**
 * rEFInd by its files: the stanzas of refind.conf and the kernels beside a refind_linux.conf. Its other findings, such
 * as other systems' boot loaders, are not searched for.
 */
export const refind: EntrySource = {
  name: 'refind',
  find: (survey) => {
    const config = filesAt(
      tops.flatMap((top) => ['refind', 'BOOT'].map((directory) => `${top}/EFI/${directory}/refind.conf`)),
      survey,
    )[0]
    const configuration = readConfiguration(config, survey)
    const linuxConfigs = filesAt(linuxConfigPaths(configuration, survey), survey)
    const start = config ?? linuxConfigs[0]
    return start === undefined ? [] : [readMenu(start, configuration, linuxConfigs, survey)]
  },
}

function readConfiguration(config: string | undefined, survey: Survey): RefindConfiguration {
  if (config === undefined) return readRefind('', '', () => undefined)
  return readRefind(config, survey.readText(config) ?? '', (name) =>
    survey.readText(posix.join(posix.dirname(config), name.replaceAll('\\', '/'))),
  )
}

/**
 * In /boot, at the top, in the directories of the EFI partition where distributions keep kernels, and in the places of
 * refind.conf.
 */
function linuxConfigPaths({ rules }: RefindConfiguration, survey: Survey): string[] {
  const directories = tops.flatMap((top) => survey.system.list(`${top}/EFI`).map((name) => `${top}/EFI/${name}`))
  const also = rules.alsoScanDirs.slice(0, 50).map((name) => name.replace(/^[^:]*:/, '').replaceAll('\\', '/'))
  const further = tops.flatMap((top) => also.map((name) => posix.join('/', top, name)))
  return [...tops, ...directories.slice(0, 200), ...further].map((directory) => `${directory}/refind_linux.conf`)
}

function readMenu(
  start: string,
  configuration: RefindConfiguration,
  linuxConfigs: readonly string[],
  survey: Survey,
): Menu {
  const { scanFor } = configuration
  const kinds = [...new Set(scanFor)].filter((kind) => /[imeo]/.test(kind))
  const shown = kinds.flatMap((kind): Shown[] => {
    if (kind === 'm') return stanzasShown(configuration, start, survey)
    if (kind === 'i') return kernelsShown(configuration, linuxConfigs, survey)
    // Whether a disk is external is unknown here.
    const isNew = !scanFor.includes('i') && kind === kinds.find((one) => /[eo]/.test(one))
    return isNew ? kernelsShown(configuration, linuxConfigs, survey, onlyExternal) : []
  })
  const entries = shown.flatMap((one) => one.entries)
  const main = shown.map((one) => one.main)
  const { system } = survey
  const preset = presetOf(configuration.selection, main, start, lastStarted(system, start), hasHiddenVariables(system))
  const waits = configuration.timeout === 0 ? `timeout is 0 in ${start}, so rEFInd waits for a key` : undefined
  return { source: 'refind', config: start, entries, preset, waits, problems: configuration.problems }
}

/** An entry of the main menu, followed by those of its submenu. */
interface Shown {
  readonly entries: readonly FoundEntry[]
  readonly main: MainEntry
}

const onlyExternal = 'It is shown only if its disk is an external one: scanfor in refind.conf leaves internal ones out.'

/**
 * @param doubt why it is uncertain that rEFInd finds them, a sentence.
 */
function kernelsShown(
  { rules }: RefindConfiguration,
  linuxConfigs: readonly string[],
  survey: Survey,
  doubt?: string,
): Shown[] {
  return linuxConfigs.flatMap((config) => {
    const directory = scannedDirectory(config, rules, survey)
    if (directory === undefined) return []
    const doubts = [
      ...(doubt === undefined ? [] : [doubt]),
      ...(directory.isSure ? [] : [`It is shown only if rEFInd looks into ${directory.onVolume}.`]),
    ]
    const entries = scannedEntries(directory, rules, survey).map((entry) => ({
      ...entry,
      config,
      uncertainties: [...(entry.uncertainties ?? []), ...doubts],
    }))
    const starts = entries.flatMap((entry, index) => (entry.submenus === undefined ? [index] : []))
    return starts.map((start, index): Shown => {
      const group = entries.slice(start, starts[index + 1])
      const entry = group[0] as FoundEntry
      const name = posix
        .join(directory.onVolume, posix.basename(entry.kernel ?? ''))
        .slice(1)
        .replaceAll('/', '\\')
      return { entries: group, main: { entry, name, loader: name, isSure: doubts.length === 0, isFirm: false } }
    })
  })
}

/** A stanza's own entry, and those of its submenu. */
function stanzasShown({ stanzas, scanFor }: RefindConfiguration, config: string, survey: Survey): Shown[] {
  const shown = stanzas.filter(({ isDisabled }) => !isDisabled)
  const isFirm = scanFor.startsWith('m')
  const { budget } = survey
  return shown.flatMap((stanza): Shown[] => {
    if (!budget.has('entries')) return []
    const entry = stanzaEntry(stanza, config, survey)
    if (!budget.afford(entry)) return []
    const submenus = stanza.submenus.filter(({ isDisabled }) => !isDisabled)
    const below = budget.entriesOf(submenus, (submenu) => ({
      ...stanzaEntry(submenu, config, survey),
      id: `${stanza.title}/${submenu.title}`,
      submenus: [stanza.title],
    }))
    const main = { entry, name: stanza.title, loader: stanza.loader ?? '', isSure: true, isFirm }
    return [{ entries: [entry, ...below], main }]
  })
}

function stanzaEntry(stanza: Stanza, config: string, survey: Survey): FoundEntry {
  const { title, line, loader, initrd, options, volume: volumeName } = stanza
  const nothing = { id: title, title, kernel: null, initrds: [], commandLine: null }
  if (stanza.firmwareOption !== null)
    return {
      ...nothing,
      problems: problemsOf('no-kernel', [`It starts boot option ${stanza.firmwareOption} of the firmware.`]),
    }
  if (loader === null)
    return { ...nothing, problems: problemsOf('configuration-mistake', [`${line}: the entry names no loader.`]) }
  const volume = volumeName === null ? undefined : volumeOf(volumeName, survey)
  // From the top of the volume, with or without a slash before it.
  const program = survey.volumes.locate(posix.join('/', loader.replaceAll('\\', '/')), config, volume).path
  // rEFInd passes no initrd: it names the stanza's initrd behind the options, for the kernel's own stub.
  const added = initrd === null || initrd === '' ? [] : [`initrd=${initrd}`]
  const commandLine = [...(options === null ? [] : [options]), ...added].join(' ')
  const start = { program, options: commandLine, config }
  const started = survey.efiPrograms.started(start)
  // Windows, macOS and other boot loaders are EFI programs; a Linux kernel is one too, and seldom has that suffix.
  if (started === null && /\.efi$/i.test(loader) && commandLine === '')
    return {
      ...nothing,
      problems: problemsOf('no-kernel', [`It starts no Linux kernel by itself: the EFI program ${loader}.`]),
    }
  const found = started ?? survey.efiPrograms.asKernel(start)
  // A unified kernel image has a command line of its own; for a kernel the options are shown as written.
  const kernel = found.described === true ? found : { ...found, commandLine: options ?? '' }
  const unknown =
    volumeName !== null && volume === undefined
      ? [`It depends on the volume ${volumeName}, which this system does not know.`]
      : []
  return { ...nothing, ...kernel, uncertainties: [...unknown, ...kernel.uncertainties] }
}
