import { type LimineEntry, parseLimine } from './limine/configuration.ts'
import { filesAt } from './loader-path.ts'
import type { EntrySource, FoundEntry, Menu, Preset } from './source.ts'
import type { Survey } from './survey.ts'

/** Limine takes the first it finds on a partition (CONFIG.md, "Location of the config file"). */
const tops = ['/boot', '', '/efi', '/boot/efi']
const folders = ['/limine', '', '/boot/limine', '/boot', '/EFI/BOOT', '/EFI/limine']
const paths = ['limine.conf', 'limine.cfg'].flatMap((name) =>
  tops.flatMap((top) => folders.map((folder) => `${top}${folder}/${name}`)),
)

/** Limine: limine.conf, and limine.cfg before version 8. */
export const limine: EntrySource = {
  name: 'limine',
  find: (survey) => {
    for (const config of filesAt(paths, survey)) {
      const menu = readMenu(config, survey)
      if (menu.entries.length > 0) return [menu]
    }
    return []
  },
}

/** Protocols that start an EFI program; older names as well (CONFIG.md). */
const efiProtocols = new Set(['efi', 'uefi', 'efi_chainload', 'chainload'])

function readMenu(config: string, survey: Survey): Menu {
  const text = survey.readText(config) ?? ''
  const { entries, settings } = parseLimine(text, /\.cfg$/i.test(config))
  const found = new Map(
    entries.filter(({ hasChildren }) => !hasChildren).map((entry) => [entry, entryOf(entry, config, survey)]),
  )
  const preset = presetOf(entries, found, settings.get('default_entry')?.at(-1), config)
  return { source: 'limine', config, entries: [...found.values()], preset, problems: [] }
}

function entryOf(entry: LimineEntry, config: string, survey: Survey): FoundEntry {
  const { title, folders: submenus, line } = entry
  const value = (...keys: string[]) => keys.map((key) => entry.values.get(key)?.at(-1)).find((one) => one !== undefined)
  const path = value('path', 'kernel_path', 'image_path')
  const protocol = (value('protocol') ?? '').toLowerCase()
  const nothing = (problem: string): FoundEntry => ({
    id: [...submenus, title].join('/'),
    title,
    submenus,
    kernel: null,
    initrds: [],
    cmdline: null,
    problems: [problem],
  })
  const cmdline = value('cmdline', 'kernel_cmdline')
  if (efiProtocols.has(protocol) && path !== undefined) return efiEntry(nothing, { path, cmdline, config, survey })
  if (protocol !== 'linux') {
    const what = path === undefined ? '' : `: ${path}`
    return nothing(`It starts no Linux kernel: its protocol is '${protocol || 'not given'}'${what}.`)
  }
  if (path === undefined) return nothing(`${config}:${line}: the entry names no kernel.`)
  const devicetree = value('dtb_path')
  const modules = entry.values.get('module_path') ?? []
  const unknown = unknownMacro([path, ...modules, cmdline ?? ''])
  return {
    ...nothing(''),
    kernel: locate(path, config, survey),
    initrds: modules.map((module) => locate(module, config, survey)),
    cmdline: cmdline ?? '',
    devicetree: devicetree === undefined ? null : locate(devicetree, config, survey),
    problems: [],
    uncertainties: unknown,
  }
}

/** An EFI program, whose load options are the command line. */
function efiEntry(
  nothing: (problem: string) => FoundEntry,
  { path, cmdline, config, survey }: { path: string; cmdline: string | undefined; config: string; survey: Survey },
): FoundEntry {
  const program = locate(path, config, survey)
  const started = survey.efiPrograms.started({ program, options: cmdline ?? null, config })
  const uncertainties = unknownMacro([path, cmdline ?? ''])
  if (started === null)
    return { ...nothing(`It starts the EFI program ${program}, not a Linux kernel.`), uncertainties }
  return { ...nothing(''), ...started, uncertainties: [...uncertainties, ...started.uncertainties] }
}

function unknownMacro(values: readonly string[]): string[] {
  const unknown = /\$\{[^}$]*\}/.exec(values.join(' '))?.[0]
  return unknown === undefined ? [] : [`Only Limine knows what ${unknown} stands for.`]
}

/** `boot():/vmlinuz`, before version 8 `boot:///vmlinuz`; `$` before it: compressed, `#` after it: a checksum. */
const resource = /^\$?([a-z]+)(?:\(([^)]*)\):|:\/\/([^/]*))(.*)$/is

function locate(uri: string, config: string, survey: Survey): string {
  const [, kind = 'boot', inParentheses, inAddress, path = uri] = resource.exec(uri) ?? []
  const name = inParentheses ?? inAddress ?? ''
  const file = path.replace(/#[0-9a-f]*$/i, '')
  const volumes = volumesOf(kind.toLowerCase(), name, survey)
  const found = volumes.map((volume) => survey.volumes.locate(file, config, volume)).find(({ exists }) => exists)
  return (found ?? survey.volumes.locate(file, config, volumes[0])).path
}

function volumesOf(kind: string, name: string, survey: Survey) {
  const { volumes } = survey
  // Which disk a number means is the firmware's to say; the partition's is the same for all.
  if (kind === 'boot' || kind === 'hdd') {
    const partition = /(\d{1,4})$/.exec(name)?.[1]
    return partition === undefined ? [] : volumes.partitions(Number(partition))
  }
  const volume =
    kind === 'fslabel'
      ? volumes.find({ label: name })
      : (volumes.find({ uuid: name }) ?? volumes.find({ partuuid: name }))
  return volume === undefined ? [] : [volume]
}

/** default_entry counts the lines of the menu as it is first shown, from 1: what closed folders hold is not counted. */
function presetOf(
  entries: readonly LimineEntry[],
  found: ReadonlyMap<LimineEntry, FoundEntry>,
  wanted: string | undefined,
  config: string,
): Preset | null {
  const number = wanted !== undefined && /^\d{1,9}$/.test(wanted) ? Number(wanted) : 1
  let shown = 0
  let closedBelow = Number.POSITIVE_INFINITY
  for (const [index, entry] of entries.entries()) {
    if (entry.depth > closedBelow) continue
    closedBelow = entry.hasChildren && !entry.isExpanded ? entry.depth : Number.POSITIVE_INFINITY
    if (++shown !== number) continue
    // A folder starts nothing by itself; the first entry in it is what Enter leads to.
    const chosen = entries.slice(index).find((candidate) => !candidate.hasChildren)
    const preset = chosen === undefined ? undefined : found.get(chosen)
    if (preset === undefined) return null
    const reason =
      wanted === undefined ? `${config} names none: the first entry` : `default_entry ${wanted} in ${config} names it`
    return { entry: preset, reason }
  }
  return null
}
