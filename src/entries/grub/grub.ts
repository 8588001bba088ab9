import { posix } from 'node:path'
import { isEfi } from '../../system/efi-variables.ts'
import type { FoundEntry, Menu, Preset } from '../model/found-entry.ts'
import type { EntrySource } from '../survey/entry-source.ts'
import type { Survey } from '../survey/survey.ts'
import { defaultEntry } from './default.ts'
import { Interpreter } from './interpreter/interpreter.ts'
import type { MenuContext } from './interpreter/menu.ts'
import { entriesOf, type MenuLevel, menuTree } from './menu-tree.ts'
import { runStatement } from './run-statement.ts'
import { Environment } from './script/environment.ts'
import type { Value } from './script/values.ts'

/**
 * Where GRUB's own directory is, with its configuration and environment block; Flatcar has one of its own, as CoreOS
 * had.
 */
const directories = ['/boot', ''].flatMap((top) =>
  ['grub', 'grub2', 'flatcar/grub', 'coreos/grub'].map((name) => `${top}/${name}`),
)

/** Where the EFI system partition is mounted: GRUB's EFI program starts from a configuration there. */
const systemPartitions = ['/boot/efi', '/efi', '/boot', '/esp', ''] as const

/** GRUB 2: its configuration is a script, so it is run. */
export const grub: EntrySource = {
  name: 'grub',
  find: async (survey) => {
    const menus: Menu[] = []
    const seen = new Set<string>()
    for (const config of configs(survey)) {
      const menu = await menuOf(survey, config)
      // EFI/debian/grub.cfg opens /boot/grub/grub.cfg: one menu, reached in two ways.
      const key = menu.entries.map(({ config: file, id, title }) => `${file}\0${id}\0${title}`).join('\0\0')
      if (menu.entries.length > 0 && seen.has(key)) continue
      seen.add(key)
      menus.push(menu)
    }
    const filled = menus.filter(({ entries }) => entries.length > 0)
    return filled.length > 0 ? filled : menus.slice(0, 1)
  },
}

/** The files GRUB may start from; on EFI machines that of the system partition first. */
function configs(survey: Survey): string[] {
  const efi: string[] = []
  for (const partition of systemPartitions) {
    const directory = survey.volumes.files.ignoringCase(`${partition}/EFI`)
    if (directory === undefined) continue
    for (const vendor of survey.system.list(directory)) {
      const path = posix.join(directory, vendor, 'grub.cfg')
      if (survey.volumes.files.has(path)) efi.push(path)
    }
  }
  // The top of a btrfs file system has its root file systems in subvolumes: /@, /@rootfs.
  const subvolumes = survey.system.list('/').filter((name) => name.startsWith('@'))
  const own = [...directories, ...subvolumes.flatMap((name) => [`/${name}/boot/grub`, `/${name}/boot/grub2`])].flatMap(
    (directory) => ['grub.cfg', 'x86_64-efi/grub.cfg'].map((name) => posix.join(directory, name)),
  )
  const bios = own.filter((path) => survey.volumes.files.has(path))
  const all = isEfi(survey.system) === false ? [...bios, ...efi] : [...efi, ...bios]
  const files = new Map(all.map((path) => [survey.resolve(path) ?? path, path]))
  return [...files.values()]
}

/**
 * Where GRUB's partitions cannot be matched to file systems, the only one it names may be the configuration's own; of
 * several none is taken for it.
 */
async function menuOf(survey: Survey, config: string): Promise<Menu> {
  const { menu, guessed } = await runOf(survey, config, false)
  return guessed < 2 || survey.budget.isSpent ? menu : (await runOf(survey, config, true)).menu
}

async function runOf(survey: Survey, config: string, isStrict: boolean): Promise<{ menu: Menu; guessed: number }> {
  const environment = new Environment()
  const run = new Interpreter(survey, config, environment, runStatement, isStrict)
  for (const [name, value] of presetVariables(survey, run, config)) {
    environment.set(name, value)
    environment.export(name)
  }
  const isRead = { value: true }
  // The bodies of its entries run after it.
  const endKeeping = survey.budget.keep({ steps: 0.5 })
  run.bounded(() => {
    isRead.value = run.runFile(config)
  })
  endKeeping()
  run.finish()
  if (!isRead.value) run.problem('configuration-unreadable', `${config} cannot be read.`)
  const context = run.opened ?? withScriptAsEntry(run, config)
  const level = await menuTree(run, context)
  const entries = entriesOf(level)
  const menu: Menu = {
    source: 'grub',
    config: entries[0]?.source === 'bls' ? config : (entries[0]?.config ?? config),
    entries,
    preset: presetOf(run, level, entries, config),
    ...waitOf(level, context, config),
    problems: run.problems,
  }
  return { menu, guessed: run.devices.guessed.size }
}

/**
 * The variables that GRUB sets before it reads its configuration, and exports (GRUB manual, "Special environment
 * variables").
 */
function presetVariables(survey: Survey, run: Interpreter, config: string): [string, Value][] {
  const { device, path } = run.devices.nameOf(posix.dirname(config))
  const prefix = path.replace(/\/(?:[a-z0-9_]+-efi|i386-pc)$/, '')
  const features = [
    'feature_chainloader_bpb',
    'feature_ntldr',
    'feature_platform_search_hint',
    'feature_default_font_path',
    'feature_all_video_module',
    'feature_menuentry_id',
    'feature_menuentry_options',
    'feature_200_final',
    'feature_nativedisk_cmd',
    'feature_timeout_style',
  ]
  return [
    ...features.map((name): [string, Value] => [name, 'y']),
    ['root', device],
    ['prefix', `(${device})${prefix}`],
    ['cmdpath', `(${device})${path}`],
    ['config_directory', `(${device})${path}`],
    ['config_file', `(${device})${posix.join(path, posix.basename(config))}`],
    ['grub_platform', platform(survey)],
    ['grub_cpu', processor(survey)],
    ['color_normal', 'light-gray/black'],
    ['color_highlight', 'black/light-gray'],
    ['lang', ''],
  ]
}

function platform(survey: Survey): Value {
  const efi = isEfi(survey.system)
  if (efi === undefined) return { candidates: ['pc', 'efi'], why: 'the firmware' }
  return efi ? 'efi' : { candidates: ['pc', 'ieee1275'], why: 'the firmware' }
}

/** GRUB for BIOS machines is a 32-bit program. */
function processor(survey: Survey): Value {
  if (isEfi(survey.system) === undefined) return { candidates: ['i386', 'x86_64', 'arm64'], why: 'the firmware' }
  return { candidates: isEfi(survey.system) ? ['x86_64', 'i386', 'arm64'] : ['i386', 'powerpc'], why: 'the firmware' }
}

/** A script without a menu that loads a kernel itself, as embedded configurations do. */
function withScriptAsEntry(run: Interpreter, config: string): MenuContext {
  const { context } = run
  const boot = run.boot.result()
  if (context.items.length > 0 || boot === null || boot.kernel === null) return context
  const title = posix.basename(boot.kernel)
  const ready: FoundEntry = { id: title, title, config, ...boot }
  run.add({ isSubmenu: false, title, id: title, arguments: [title], body: [], config, uncertainties: [], ready })
  return context
}

function presetOf(run: Interpreter, level: MenuLevel, entries: readonly FoundEntry[], config: string): Preset | null {
  const { entry, isNamed } = defaultEntry(level, level.default, run.isRedHat)
  const text = level.default ?? ''
  if (entry === null || !entries.includes(entry)) return null
  if (isNamed) return { entry, reason: `${originOf(run, text, config)} names it` }
  if (text !== '')
    run.problem(
      'unknown-default',
      `${originOf(run, text, config)} is '${text}', which names no entry: GRUB takes the first.`,
    )
  return { entry, reason: text === '' ? 'it is the first entry and nothing names another' : 'it is the first entry' }
}

/**
 * GRUB waits for a key where `timeout` is not set or is no number, as -1 is none: grub_menu_get_timeout() of
 * grub-core/normal/menu.c. A script that loads a kernel itself shows no menu.
 */
function waitOf({ timeout }: MenuLevel, { items }: MenuContext, config: string): { readonly waits?: string } {
  if (items.every(({ ready }) => ready !== undefined)) return {}
  if (timeout === null) return { waits: `${config} sets no timeout, so GRUB waits for a key` }
  const isNumber = (text: string) => /^\s*(?:0x[\da-f]+|\d+)/i.test(text)
  if (typeof timeout === 'string') {
    return isNumber(timeout) ? {} : { waits: `timeout is '${timeout}' in ${config}, so GRUB waits for a key` }
  }
  if (timeout.candidates.every(isNumber)) return {}
  return { waits: `whether GRUB waits for a key depends on ${timeout.why}` }
}

/** The source of the default. */
function originOf(run: Interpreter, text: string, config: string): string {
  for (const name of ['next_entry', 'saved_entry', 'prev_saved_entry']) {
    const loaded = run.loaded.get(name)
    if (loaded?.value === text) return `${name} in ${loaded.path}`
  }
  return `default in ${config}`
}
