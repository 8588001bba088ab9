import { posix } from 'node:path'
import type { Configuration, Label, SubMenu } from './extlinux/configuration.ts'
import { commandEntry, commandOf, labelEntry, locate, type Reading } from './extlinux/label-entry.ts'
import { isForUBoot, moduleName, readConfiguration, splitWord } from './extlinux/reader.ts'
import { filesAt } from './loader-path.ts'
import type { EntrySource, FoundEntry, Menu, Preset } from './source.ts'
import type { Survey } from './survey.ts'

/** Configurations that lead to one another by CONFIG or menu modules, in all. */
const MAX_CONFIGURATIONS = 64

/** Where SYSLINUX, its variants and U-Boot look, and where media have theirs, below each top; letter case does not count. */
const tops = ['/boot', '', '/efi', '/boot/efi', '/esp', '/boot/firmware']
const names = [
  'extlinux/extlinux.conf',
  'extlinux.conf',
  'syslinux/extlinux.conf',
  'syslinux/syslinux.cfg',
  'syslinux/isolinux.cfg',
  'syslinux.cfg',
  'isolinux/isolinux.cfg',
  'isolinux.cfg',
  'EFI/syslinux/syslinux.cfg',
  'EFI/BOOT/syslinux.cfg',
  'x86_64/loader/isolinux.cfg',
  'i386/loader/isolinux.cfg',
  'pxelinux.cfg/default',
]

/** SYSLINUX, EXTLINUX, ISOLINUX and PXELINUX, and U-Boot's reading of the same files (its "distro boot"). */
export const extlinux: EntrySource = {
  name: 'extlinux',
  find: (survey) => {
    const found = filesAt(
      tops.flatMap((top) => names.map((name) => `${top}/${name}`)),
      survey,
    ).map((path) => readMenu(path, survey))
    const included = new Set<string>()
    return found.flatMap(({ menu, files }) => {
      if (included.has(survey.resolve(menu.config) ?? menu.config)) return []
      for (const file of files) included.add(survey.resolve(file) ?? file)
      return menu.entries.length === 0 && menu.problems.length === 0 ? [] : [menu]
    })
  },
}

interface ReadMenu {
  readonly menu: Menu
  readonly files: readonly string[]
}

function readMenu(config: string, survey: Survey): ReadMenu {
  const follower = new Follower(survey, config)
  const { entries, preset } = follower.read(config, posix.dirname(config), [])
  return { menu: { source: 'extlinux', config, entries, preset, problems: follower.problems }, files: follower.files }
}

interface Part {
  readonly entries: FoundEntry[]
  readonly preset: Preset | null
}

const nothing: Part = { entries: [], preset: null }

/** Reads a configuration and the others that its entries open as further menus. */
class Follower {
  readonly problems: string[] = []
  readonly files: string[] = []
  private readonly survey: Survey
  private readonly config: string
  private readonly opened = new Set<string>()

  constructor(survey: Survey, config: string) {
    this.survey = survey
    this.config = config
  }

  read(path: string, folder: string, submenus: readonly string[]): Part {
    this.opened.add(path)
    const text = this.survey.readText(path)
    if (text === undefined) {
      this.problems.push(`${path} cannot be read.`)
      return nothing
    }
    const reading = { survey: this.survey, config: this.config, folder, submenus }
    const configuration = this.parse(path, text, reading)
    this.files.push(...configuration.files)
    this.problems.push(...configuration.problems)
    const flavour = isUBoot(configuration, text, reading) ? 'u-boot' : 'syslinux'
    return this.partOf(configuration, { ...reading, flavour })
  }

  private parse(path: string, text: string, reading: Omit<Reading, 'flavour'>): Configuration {
    const open = (name: string) => {
      const included = locate(name, { ...reading, flavour: 'syslinux' })
      const includedText = this.survey.readText(included)
      return includedText === undefined ? undefined : { path: included, text: includedText }
    }
    if (isForUBoot(text)) return readConfiguration(path, text, 'u-boot', open)
    const configuration = readConfiguration(path, text, 'syslinux', open)
    return isUBoot(configuration, text, reading) ? readConfiguration(path, text, 'u-boot', open) : configuration
  }

  private partOf(configuration: Configuration, reading: Reading): Part {
    // UI, or a DEFAULT that is a menu, given another file: the menu shows that one, not this.
    const shown = menuCommand(configuration, reading)
    const elsewhere = shown === undefined ? undefined : this.openedBy(shown, reading)
    if (elsewhere !== undefined && elsewhere.entries.length > 0) return elsewhere
    const hasMenu = shown !== undefined
    const choice = choose(configuration, reading, hasMenu)
    // A menu does not show what is hidden; it can still be the one that is started.
    const labels = configuration.labels.filter((label) => !hasMenu || !label.isHidden || choice?.label === label)
    const parts = new Map(labels.map((label) => [label, this.partOfLabel(label, reading)]))
    const entries = [...parts.values()].flatMap((part) => part.entries)
    if (choice === undefined) return { entries, preset: null }
    return this.preset(choice, configuration, parts, entries, reading)
  }

  private partOfLabel(label: Label, reading: Reading): Part {
    const isSyslinux = reading.flavour === 'syslinux'
    if (isSyslinux && (label.isDisabled || label.isMove)) return nothing
    const entry = labelEntry(label, reading)
    const command = entry.kernel === null && isSyslinux ? commandOf(label, reading.flavour) : undefined
    if (command !== undefined) {
      const text = `${command.keyword === 'config' ? 'config ' : ''}${command.text} ${label.append ?? ''}`
      const part = this.openedBy(text, { ...reading, submenus: [...(entry.submenus ?? []), entry.title] })
      if (part !== undefined) return part
    }
    return { entries: [entry], preset: null }
  }

  /** The menu that `CONFIG file [folder]` or `menu.c32 file` opens; undefined when a command opens none, or one again. */
  private openedBy(text: string, reading: Reading): Part | undefined {
    const [first, rest] = splitWord(text)
    if (first !== 'config' && !isMenuModule(first)) return undefined
    const [name, folder] = splitWord(rest)
    if (name === '' || name.startsWith('~')) return undefined
    const path = locate(name, reading)
    if (this.opened.has(path) || this.opened.size >= MAX_CONFIGURATIONS) return undefined
    if (!this.survey.system.isFile(path)) return undefined
    const next = first === 'config' && folder !== '' ? locate(folder, reading) : reading.folder
    const [files, problems] = [this.files.length, this.problems.length]
    const part = this.read(path, next, reading.submenus)
    // A help page that leads back to the menu it was opened from: that menu is shown once.
    const isAgain = this.files.slice(files).some((file) => this.files.lastIndexOf(file, files - 1) >= 0)
    if (files === 0 || !isAgain) return part
    this.problems.length = problems
    return undefined
  }

  private preset(
    { label, command, reason }: Choice,
    { isImplicit }: Configuration,
    parts: Map<Label, Part>,
    entries: FoundEntry[],
    reading: Reading,
  ): Part {
    const part = label === undefined ? undefined : parts.get(label)
    const [, options] = splitWord(command ?? '')
    if (part !== undefined && options === '') {
      const entry = part.preset?.entry ?? part.entries[0]
      return { entries, preset: entry === undefined ? null : { entry, reason: part.preset?.reason || reason } }
    }
    if (command === undefined || (part === undefined && !isImplicit)) return { entries, preset: null }
    const known = part?.entries[0]
    const entry =
      known === undefined
        ? commandEntry(command, reading)
        : {
            ...known,
            id: command,
            title: `${known.title} (${options})`,
            cmdline: `${known.cmdline ?? ''} ${options}`.trim(),
          }
    return { entries: [...entries, entry], preset: { entry, reason } }
  }
}

/** Without U-Boot's own keywords: the kernel tells, as SYSLINUX starts only x86 ones. */
function isUBoot(configuration: Configuration, text: string, reading: Omit<Reading, 'flavour'>): boolean {
  if (isForUBoot(text)) return true
  const label = configuration.labels.find(
    ({ keyword, kernel }) => kernel !== null && /^(?:kernel|linux)$/.test(keyword),
  )
  if (label === undefined) return false
  const kernel = locate(splitWord(label.kernel ?? '')[0], { ...reading, flavour: 'syslinux' })
  const { architecture } = reading.survey.kernelFile(kernel)
  return architecture !== null && !/^(?:x86_64|i[3-6]86|x86)$/.test(architecture)
}

function isMenuModule(name: string): boolean {
  return /^(?:vesa)?menu(?:\.c32)?$/.test(moduleName(name))
}

/** The command that opens a menu when the loader starts; undefined when there is only a prompt. */
function menuCommand({ ui, defaultCommand, labels }: Configuration, { flavour }: Reading): string | undefined {
  if (flavour === 'u-boot') return undefined
  const command = ui ?? defaultCommand ?? ''
  if (isMenuModule(splitWord(command)[0])) return command
  const label = labels.find(({ name }) => name === splitWord(command)[0])
  const started = label === undefined ? undefined : commandOf(label, flavour)
  if (started === undefined || !isMenuModule(splitWord(started.text)[0])) return ui === null ? undefined : ui
  return `${started.text} ${label?.append ?? ''}`
}

interface Choice {
  readonly label?: Label | undefined
  /** The command that names it, with options after it. */
  readonly command?: string
  readonly reason: string
}

/** What is started when nobody touches a key. */
function choose(configuration: Configuration, reading: Reading, hasMenu: boolean): Choice | undefined {
  const { labels, defaultCommand, onTimeout, hasTimeout, prompts } = configuration
  if (reading.flavour === 'u-boot') return chooseAsUBoot(configuration)
  const named = (command: string, keyword: string): Choice => ({
    label: labels.find(({ name }) => name === splitWord(command)[0]),
    command,
    reason: `${keyword} in ${reading.config} names it`,
  })
  if (onTimeout && hasTimeout && (hasMenu || prompts)) return named(onTimeout, 'ONTIMEOUT')
  if (!hasMenu) {
    if (defaultCommand) return named(defaultCommand, 'DEFAULT')
    // What SYSLINUX did before version 6; that one stays at its prompt.
    const label = labels.find(({ name }) => name === 'linux')
    return label === undefined
      ? undefined
      : { label, reason: 'SYSLINUX takes the label linux when no DEFAULT is given' }
  }
  const label = labels.find(({ name }) => name === splitWord(defaultCommand ?? '')[0])
  const opensMenu = label !== undefined && isMenuModule(splitWord(commandOf(label, 'syslinux')?.text ?? '')[0])
  if (label !== undefined && !label.isHidden && !opensMenu)
    return { label, reason: `DEFAULT in ${reading.config} names it` }
  const selected = selectedIn(configuration.start)
  if (selected === undefined) return undefined
  const isMarked = configuration.start.preset !== null
  return {
    label: selected,
    reason: isMarked ? `MENU DEFAULT marks it in ${reading.config}` : 'it is the first of the menu',
  }
}

function chooseAsUBoot({ labels, defaultCommand }: Configuration): Choice | undefined {
  const label = labels.findLast(({ name }) => name === defaultCommand)
  if (label !== undefined) return { label, reason: `the default label is ${label.name}` }
  const first = labels.find(({ kernel }) => kernel !== null && kernel !== '')
  return first === undefined ? undefined : { label: first, reason: 'U-Boot tries the labels in their order' }
}

/** The item a menu starts on: the marked one, else the first that can be chosen; in a submenu, that one's. */
function selectedIn(menu: SubMenu): Label | undefined {
  const canBeChosen = (item: Label | SubMenu) =>
    item.kind === 'menu' || !(item.isHidden || item.isDisabled || item.isMove)
  const item = menu.preset !== null && canBeChosen(menu.preset) ? menu.preset : menu.items.find(canBeChosen)
  return item?.kind === 'menu' ? selectedIn(item) : item
}
