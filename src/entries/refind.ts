import { posix } from 'node:path'
import { filesAt, pathFrom } from './loader-path.ts'
import { type RefindConfiguration, readRefind, type Stanza } from './refind/configuration.ts'
import { scannedEntries } from './refind/scanned.ts'
import type { EntrySource, FoundEntry, Menu, Preset } from './source.ts'
import type { Survey } from './survey.ts'
import type { Volume } from './volumes.ts'

const tops = ['/boot/efi', '/efi', '/boot', ''] as const

/**
 * rEFInd: what its files say, the stanzas of refind.conf and the kernels beside a refind_linux.conf. Whatever else it finds
 * by itself, other systems' boot loaders among it, is not looked for.
 */
export const refind: EntrySource = {
  name: 'refind',
  find: (survey) => {
    const config = filesAt(
      tops.flatMap((top) => ['refind', 'BOOT'].map((folder) => `${top}/EFI/${folder}/refind.conf`)),
      survey,
    )[0]
    const linuxConfigs = filesAt(linuxConfigPaths(survey), survey)
    const start = config ?? linuxConfigs[0]
    return start === undefined ? [] : [readMenu(start, config, linuxConfigs, survey)]
  },
}

/** In /boot, at the top, and in the folders of the EFI partition that distributions keep their kernels in. */
function linuxConfigPaths(survey: Survey): string[] {
  const folders = tops.flatMap((top) => survey.system.list(`${top}/EFI`).map((name) => `${top}/EFI/${name}`))
  return [...tops, ...folders.slice(0, 200)].map((folder) => `${folder}/refind_linux.conf`)
}

function readMenu(start: string, config: string | undefined, linuxConfigs: readonly string[], survey: Survey): Menu {
  const text = config === undefined ? '' : (survey.readText(config) ?? '')
  const configuration = readRefind(start, text, (name) =>
    survey.readText(posix.join(posix.dirname(start), name.replaceAll('\\', '/'))),
  )
  const scanned = configuration.scans
    ? linuxConfigs.flatMap((path) => scannedEntries(path, survey).map((entry) => ({ ...entry, config: path })))
    : []
  const stanzas = configuration.showsStanzas ? configuration.stanzas.filter(({ isDisabled }) => !isDisabled) : []
  const entries = [...scanned, ...stanzas.flatMap((stanza) => stanzaEntries(stanza, start, survey))]
  const preset = presetOf(configuration, entries, start)
  return { source: 'refind', config: start, entries, preset, problems: configuration.problems }
}

/** A stanza's own entry, and those of its submenu, which take from it what they do not say themselves. */
function stanzaEntries(stanza: Stanza, config: string, survey: Survey): FoundEntry[] {
  const submenus = stanza.submenus.filter(({ isDisabled }) => !isDisabled)
  return [
    stanzaEntry(stanza, stanza, config, survey),
    ...submenus.map((submenu) => ({
      ...stanzaEntry(submenu, stanza, config, survey),
      id: `${stanza.title}/${submenu.title}`,
      submenus: [stanza.title],
    })),
  ]
}

function stanzaEntry(stanza: Stanza, parent: Stanza, config: string, survey: Survey): FoundEntry {
  const { title, line } = stanza
  const loader = stanza.loader ?? parent.loader
  const nothing = { id: title, title, kernel: null, initrds: [], cmdline: null }
  if (loader === null) return { ...nothing, problems: [`${line}: the entry names no loader.`] }
  const volumeName = stanza.volume ?? parent.volume
  const volume = volumeName === null ? undefined : volumeOf(volumeName, survey)
  const program = survey.volumes.locate(pathFrom(posix.dirname(config), loader, survey), config, volume).path
  const initrd = stanza.initrd ?? parent.initrd ?? ''
  // rEFInd hands over no initrd: it names the one of the stanza behind the options, for the kernel's own stub.
  const options = [
    stanza.options ?? parent.options ?? '',
    stanza.addedOptions ?? '',
    initrd === '' ? '' : `initrd=${initrd}`,
  ]
    .filter((part) => part !== '')
    .join(' ')
  const start = { program, options, config }
  const started = survey.efiPrograms.started(start)
  const uncertainties =
    volumeName !== null && volume === undefined
      ? [`Depends on the volume ${volumeName}, which this system does not know.`]
      : []
  // Windows, macOS and other boot loaders are EFI programs; a Linux kernel is one too, and seldom ends so.
  if (started === null && /\.efi$/i.test(loader) && options === '')
    return { ...nothing, problems: [`It starts no Linux kernel by itself: the EFI program ${loader}.`] }
  const kernel = started ?? survey.efiPrograms.asKernel(start)
  return { ...nothing, ...kernel, uncertainties: [...uncertainties, ...kernel.uncertainties] }
}

/** A volume is named by its label, its partition's name or its partition's GUID. */
function volumeOf(name: string, survey: Survey): Volume | undefined {
  const { volumes } = survey
  const plain = name.replace(/:$/, '')
  return volumes.find({ label: plain }) ?? volumes.find({ partlabel: plain }) ?? volumes.find({ partuuid: plain })
}

/**
 * default_selection: numbers, and parts of titles, the first that fits; `+` is what was started last, which the firmware
 * keeps. Without it, what was started last too, else the first.
 */
function presetOf({ selection }: RefindConfiguration, entries: readonly FoundEntry[], config: string): Preset | null {
  const main = entries.filter(({ submenus }) => submenus === undefined)
  for (const wanted of (selection ?? '').split(',').map((part) => part.trim())) {
    if (wanted === '' || wanted === '+') continue
    const entry = /^\d{1,6}$/.test(wanted)
      ? main[Number(wanted) - 1]
      : main.find(({ title, kernel }) => `${title}\0${kernel ?? ''}`.toLowerCase().includes(wanted.toLowerCase()))
    if (entry !== undefined) return { entry, reason: `default_selection ${wanted} in ${config} names it` }
  }
  const first = main[0]
  return first === undefined ? null : { entry: first, reason: 'it is the first that rEFInd shows' }
}
