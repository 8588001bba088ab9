import { hasHiddenVariables, isEfi, KEXEC_REBOOT, loaderVariable } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import type { EfiStart } from '../efi/efi-program.ts'
import { everyTimeout, onceTimeout } from '../efi/menu-timeout.ts'
import { type FoundEntry, MAX_INITRDS, type Menu } from '../model/found-entry.ts'
import { type BootProblem, problemsOf } from '../model/problem.ts'
import { filesAt } from '../paths/loader-path.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { type LimineConfiguration, type LimineEntry, parseLimine } from './configuration.ts'
import { selectedBy } from './default-entry.ts'
import { lastBooted } from './last-booted.ts'
import { locate } from './path.ts'

/** Limine takes the first it finds on a partition (CONFIG.md, "Location of the config file"). */
const tops = ['/boot', '', '/efi', '/boot/efi']
const directories = ['/limine', '', '/boot/limine', '/boot', '/EFI/BOOT', '/EFI/limine']
const names = ['limine.conf', 'limine.cfg']

/** Limine: limine.conf, and limine.cfg before version 8. */
export const limine: EntrySource = {
  name: 'limine',
  find: (survey) => {
    for (const config of filesAt([...usualPaths, ...besideProgram(survey)], survey)) {
      const menu = readMenu(config, survey)
      if (menu.entries.length > 0) return [menu]
    }
    return []
  },
}

const usualPaths = names.flatMap((name) =>
  tops.flatMap((top) => directories.map((directory) => `${top}${directory}/${name}`)),
)

/** Version 9 and later look beside their own EFI program first, in any directory of EFI. */
function besideProgram({ system }: Survey): string[] {
  return tops.flatMap((top) =>
    system
      .list(`${top}/EFI`)
      .slice(0, 200)
      .map((name) => `${top}/EFI/${name}/limine.conf`),
  )
}

function readMenu(config: string, survey: Survey): Menu {
  const text = survey.readText(config) ?? ''
  const configuration = parseLimine(text, /\.cfg$/i.test(config))
  const shown = configuration.entries.filter((entry) => !isHidden(entry, isEfi(survey.system)))
  const found = new Map<LimineEntry, FoundEntry>()
  survey.budget.entriesOf(
    shown.filter(({ hasChildren }) => !hasChildren),
    (entry) => {
      const made = entryOf(entry, configuration, config, survey)
      found.set(entry, made)
      return made
    },
  )
  const { preset, waits } = presetOf(configuration, shown, found, config, survey)
  return {
    source: 'limine',
    config,
    entries: [...found.values()],
    preset,
    waits: waitOf(configuration, config, survey.system) ?? waits,
    problems: problemsOf(
      'configuration-mistake',
      configuration.problems.map((problem) => `${config}: ${problem}`),
    ),
  }
}

/** Protocols that start an EFI program, with their older names (CONFIG.md). */
const efiProtocols = new Set(['efi', 'uefi', 'efi_chainload', 'chainload'])

/** Under the other kind of firmware an entry is not in the menu, and is not counted. */
function isHidden({ values, hasChildren }: LimineEntry, isOnEfi: boolean | undefined): boolean {
  if (hasChildren || isOnEfi === undefined) return false
  const firmware = values.get('if_fw_type')?.[0]?.toLowerCase()
  if (firmware !== undefined && firmware !== (isOnEfi ? 'uefi' : 'bios')) return true
  const protocol = values.get('protocol')?.[0] ?? ''
  return (isOnEfi ? /^bios(?:_chainload)?$/ : /^(?:efi|uefi|efi_chainload|efi_boot_entry)$/).test(protocol)
}

function entryOf(entry: LimineEntry, configuration: LimineConfiguration, config: string, survey: Survey): FoundEntry {
  const { title, directories: submenus, line } = entry
  const value = (...keys: string[]) => keys.map((key) => entry.values.get(key)?.[0]).find((one) => one !== undefined)
  const path = value('path', 'kernel_path', 'image_path')
  const protocol = value('protocol') ?? ''
  const nothing = (problems: readonly BootProblem[]): FoundEntry => ({
    id: [...submenus, title].join('/'),
    title,
    submenus,
    kernel: null,
    initrds: [],
    commandLine: null,
    problems,
  })
  if (path === undefined && (protocol === 'linux' || efiProtocols.has(protocol)))
    return nothing(problemsOf('configuration-mistake', [`${config}:${line}: the entry names no kernel.`]))
  if (path === undefined || !(protocol === 'linux' || efiProtocols.has(protocol))) {
    const what = path === undefined ? '' : `: ${path}`
    const text = `It starts no Linux kernel: its protocol is '${protocol || 'not given'}'${what}.`
    return nothing([{ code: 'no-kernel', text }])
  }
  const uncertainties = new Set<string>()
  const at = (name: string) => {
    const { path: place, uncertainty } = locate(name, config, survey)
    if (uncertainty !== undefined) uncertainties.add(uncertainty)
    return place
  }
  const isLinux = protocol === 'linux'
  const modules = isLinux ? (entry.values.get('module_path') ?? []) : []
  const commandLine = value('kernel_cmdline', 'cmdline')
  const unknown = /\$\{[^}$]*\}/.exec([path, ...modules, commandLine ?? ''].join(' '))?.[0]
  if (unknown !== undefined) uncertainties.add(`Only Limine knows what ${unknown} stands for.`)
  for (const key of ['if_arch', 'if_loader_arch'])
    if (value(key) !== undefined) uncertainties.add(`It is shown only on a machine that fits ${key}: ${value(key)}.`)
  const kernel = at(path)
  if (!isLinux)
    return efiEntry(nothing, { program: kernel, options: commandLine ?? null, config }, uncertainties, survey)
  const deviceTree = value('dtb_path') ?? configuration.settings.get('global_dtb')?.[0]
  return {
    ...nothing([]),
    kernel,
    initrds: modules.slice(0, MAX_INITRDS + 1).map(at),
    commandLine: commandLine ?? '',
    deviceTree: deviceTree === undefined ? null : at(deviceTree),
    problems: [],
    uncertainties: [...uncertainties],
  }
}

/** An EFI program, whose load options are the command line. */
function efiEntry(
  nothing: (problems: readonly BootProblem[]) => FoundEntry,
  start: EfiStart,
  uncertainties: ReadonlySet<string>,
  survey: Survey,
): FoundEntry {
  const started = survey.efiPrograms.started(start)
  return started === null
    ? {
        ...nothing(problemsOf('no-kernel', [`It starts the EFI program ${start.program}, not a Linux kernel.`])),
        uncertainties: [...uncertainties],
      }
    : { ...nothing([]), ...started, uncertainties: [...uncertainties, ...started.uncertainties] }
}

/** The order of common/menu.c. Only newer releases take the variables of the Boot Loader Interface. */
function waitOf({ settings }: LimineConfiguration, config: string, system: System): string | undefined {
  const timeout = settings.get('timeout')?.[0]
  if (timeout === 'no') return `timeout is no in ${config}, so Limine waits for a key`
  const variable = onceTimeout(system) ?? (timeout === undefined ? everyTimeout(system) : undefined)
  return variable?.waits ? `the EFI variable ${variable.name} makes newer releases of Limine wait for a key` : undefined
}

/** The variables of the Boot Loader Interface by which newer releases of Limine choose another entry. */
function choosingVariable(hasDefault: boolean, system: System): string | undefined {
  const names = ['LoaderEntryOneShot', 'LoaderEntryPreferred', ...(hasDefault ? [] : ['LoaderEntryDefault'])]
  return names.find((name) => {
    const value = loaderVariable(system, name)
    return value !== undefined && value !== KEXEC_REBOOT
  })
}

function presetOf(
  { settings }: LimineConfiguration,
  shown: readonly LimineEntry[],
  found: ReadonlyMap<LimineEntry, FoundEntry>,
  config: string,
  survey: Survey,
): Pick<Menu, 'preset' | 'waits'> {
  const wanted = settings.get('default_entry')?.[0]
  const remembers = settings.get('remember_last_entry')?.[0]?.toLowerCase() === 'yes'
  const last = remembers ? lastBooted(survey.system) : undefined
  const remembered = last === undefined ? undefined : selectedBy(last, shown)
  const usesLast = remembered?.how === 'names it'
  const selected = usesLast ? remembered : selectedBy(wanted ?? '1', shown)
  if (selected === undefined) return { preset: null }
  // Enter opens a directory, which leads to its first entry. The timeout does not count for one (common/menu.c).
  const at = shown.indexOf(selected.entry)
  const chosen = shown.slice(at).find((candidate) => !candidate.hasChildren)
  const entry = chosen === undefined ? undefined : found.get(chosen)
  if (entry === undefined) return { preset: null }
  const reason = usesLast
    ? `remember_last_entry is set in ${config} and it was booted last`
    : wanted === undefined
      ? `${config} names none: the first entry`
      : `default_entry ${wanted} in ${config} ${selected.how}`
  const isDirectory = chosen !== selected.entry
  const inside = isDirectory ? ', a directory: the first entry in it' : ''
  const variable = choosingVariable(usesLast || wanted !== undefined, survey.system)
  const doubt =
    remembers && last === undefined && hasHiddenVariables(survey.system)
      ? 'Which entry Limine booted last is unknown: its EFI variable cannot be seen.'
      : variable && `The EFI variable ${variable} may choose another entry: newer releases of Limine follow it.`
  const waits = isDirectory ? `the default of ${config} is a directory, so Limine waits for a key` : undefined
  return { preset: { entry, reason: `${reason}${inside}`, doubt }, waits }
}
