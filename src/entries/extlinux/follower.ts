import { posix } from 'node:path'
import { addProblem } from '../model/budget.ts'
import type { FoundEntry, Preset } from '../model/found-entry.ts'
import type { BootProblem } from '../model/problem.ts'
import type { Survey } from '../survey/survey.ts'
import { type Choice, choose, isMenuModule, menuCommand, textOf, waitOf } from './choice.ts'
import type { Configuration, Label } from './configuration.ts'
import { commandEntry, labelEntry, locate, type Reading } from './label-entry.ts'
import { isNamedForSyslinux, variantOf } from './places.ts'
import { type Flavour, moduleName, readConfiguration, splitWord } from './reader.ts'
import { type Selected, selectedBy } from './selectors.ts'

/** The most configurations that lead to one another by CONFIG or menu modules. */
const MAX_CONFIGURATIONS = 64

/** The most modules that choose and lead to one another. */
const MAX_HOPS = 16

/** The additions of a configuration, or of one label, to the list. */
export interface Part {
  readonly entries: readonly FoundEntry[]
  /** May be an entry that is already in the list. */
  readonly preset: Preset | null
  /** Why nothing of it boots until somebody touches a key, one sentence without its full stop. */
  readonly waits?: string | undefined
}

const nothing: Part = { entries: [], preset: null }

/** A configuration that is being read. */
interface Opened {
  readonly configuration: Configuration
  readonly reading: Reading
  readonly hasMenu: boolean
}

/** Reads a configuration and the others that its entries open as further menus. */
export class Follower {
  readonly problems: BootProblem[] = []
  readonly files: string[] = []
  private readonly survey: Survey
  private readonly config: string
  /** By path; undefined while it is being read. */
  private readonly opened = new Map<string, Part | undefined>()
  /** Entries by the label's place and its whole start: menus that include the same file share them. */
  private readonly listed = new Map<string, FoundEntry>()

  constructor(survey: Survey, config: string) {
    this.survey = survey
    this.config = config
  }

  read(path: string, directory: string, submenus: readonly string[]): Part {
    this.opened.set(path, undefined)
    const text = this.survey.readText(path)
    if (text === undefined) {
      this.problems.push({ code: 'configuration-unreadable', text: `${path} cannot be read.` })
      return nothing
    }
    const reading = { survey: this.survey, config: this.config, directory, submenus, variant: variantOf(this.config) }
    const { configuration, flavour } = this.parse(path, text, reading)
    // One by one: there may be more than a call takes arguments.
    for (const file of configuration.files) this.files.push(file)
    for (const { code, text } of configuration.problems) addProblem(this.problems, code, text)
    const part = this.partOf(configuration, { ...reading, flavour })
    this.opened.set(path, part)
    return part
  }

  private parse(path: string, text: string, reading: Omit<Reading, 'flavour'>) {
    const open = (name: string) => {
      const included = locate(name, { ...reading, flavour: 'syslinux' })
      const includedText = this.survey.readText(included)
      return includedText === undefined ? undefined : { path: included, text: includedText }
    }
    const configuration = readConfiguration(path, text, 'syslinux', open)
    if (!isForUBoot(configuration, reading)) return { configuration, flavour: 'syslinux' as Flavour }
    return { configuration: readConfiguration(path, text, 'u-boot', open), flavour: 'u-boot' as Flavour }
  }

  private partOf(configuration: Configuration, reading: Reading): Part {
    // UI, or a DEFAULT that is a menu, with another file: the menu shows that file, not this.
    const shown = menuCommand(configuration, reading)
    const elsewhere = shown === undefined ? undefined : this.menuOf(shown, configuration, reading)
    if (elsewhere !== undefined) return elsewhere
    const hasMenu = shown !== undefined
    // A menu takes the rest of the line after LABEL for the name; without a menu the first word counts.
    if (!hasMenu && reading.flavour === 'syslinux')
      for (const label of configuration.labels) label.name = splitWord(label.name)[0]
    const choice = choose(configuration, reading, hasMenu)
    // A menu does not show hidden labels, but one of them can still be the default.
    const labels = configuration.labels.filter((label) => !hasMenu || !label.isHidden || choice?.label === label)
    const parts = this.partsOf(labels, { configuration, reading, hasMenu })
    const entries = labels.flatMap((label) => parts.get(label)?.entries ?? [])
    if (choice === undefined) return { entries, preset: null }
    const part = this.preset(choice, parts, entries, { configuration, reading, hasMenu })
    return { ...part, waits: waitOf(configuration, hasMenu) ?? part.waits }
  }

  /** Labels that start a kernel come first: a help page that leads back here shows them again. */
  private partsOf(labels: readonly Label[], opened: Opened): Map<Label, Part> {
    const parts = new Map<Label, Part>()
    for (const label of labels) {
      const part = this.partOfKernel(label, opened.reading)
      if (part !== undefined) parts.set(label, part)
    }
    for (const label of labels) if (!parts.has(label)) parts.set(label, this.partOfCommand(label, opened))
    return parts
  }

  /** Undefined for a label that starts something else; that may lead to kernels. */
  private partOfKernel(label: Label, reading: Reading): Part | undefined {
    const isSyslinux = reading.flavour === 'syslinux'
    if (isSyslinux && (label.isDisabled || label.isMove)) return nothing
    if (!this.survey.budget.hasRoom) return nothing
    const entry = labelEntry(label, reading)
    if (isSyslinux && entry.kernel === null) return undefined
    const { kernel, initrds, commandLine } = entry
    const key = JSON.stringify([label.place, kernel, initrds, commandLine])
    const known = this.listed.get(key)
    if (known !== undefined) return { entries: [], preset: { entry: known, reason: '' } }
    if (!this.survey.budget.afford(entry)) return nothing
    this.listed.set(key, entry)
    return { entries: [entry], preset: null }
  }

  private partOfCommand(label: Label, opened: Opened): Part {
    const { reading } = opened
    if (!this.survey.budget.hasRoom) return nothing
    const entry = labelEntry(label, reading)
    if (!this.survey.budget.afford(entry)) return nothing
    const submenus = [...(entry.submenus ?? []), entry.title]
    const text = textOf(label, reading) ?? ''
    const part = this.followed(text, { ...opened, reading: { ...reading, submenus } }, 0)
    if (part === undefined) return { entries: [entry], preset: null }
    if (!('command' in part)) {
      // A menu that was read before adds nothing. One whose entries all stand elsewhere already is shown as a menu.
      const isAgain = part.entries.length === 0 && !part.isKnown
      return { ...part, entries: isAgain ? [entry] : part.entries }
    }
    const started = this.startedBy(part, opened)
    const { id, title } = entry
    return { entries: [{ ...started, id, title, submenus: entry.submenus ?? [] }], preset: null }
  }

  /**
   * The target of a command: the menu of `CONFIG file [directory]` and `menu.c32 file`, through modules that choose, or
   * the label or command that such a module runs. Undefined when the target cannot be read.
   */
  private followed(
    text: string,
    opened: Opened,
    hops: number,
  ): (Part & { readonly isKnown: boolean }) | Selected | undefined {
    const menu = this.openedBy(text, opened.reading)
    if (menu !== undefined) return menu
    const { configuration, reading } = opened
    const selected = selectedBy(text, reading.variant, this.survey.system)
    if (selected === undefined || hops >= MAX_HOPS) return undefined
    const label = this.labelOf(selected.command, configuration)
    const [, options] = splitWord(selected.command)
    const next = label === undefined ? selected.command : `${textOf(label, reading) ?? ''} ${options}`
    return this.followed(next, opened, hops + 1) ?? selected
  }

  private labelOf(command: string, { labels }: Configuration): Label | undefined {
    const [word] = splitWord(command)
    return labels.find(({ name }) => splitWord(name)[0] === word)
  }

  /** The start of a module that chooses, as an entry without a name of its own. */
  private startedBy(selected: Selected, { configuration, reading }: Opened): FoundEntry {
    const label = this.labelOf(selected.command, configuration)
    const [, options] = splitWord(selected.command)
    const entry = label === undefined ? commandEntry(selected.command, reading) : labelEntry(label, reading)
    const commandLine =
      label === undefined || entry.kernel === null ? entry.commandLine : `${entry.commandLine ?? ''} ${options}`.trim()
    const doubts = selected.uncertainty === undefined ? [] : [selected.uncertainty]
    return { ...entry, commandLine, uncertainties: [...(entry.uncertainties ?? []), ...doubts] }
  }

  /** The menu that is shown in place of a configuration's own, if it has entries. */
  private menuOf(command: string, configuration: Configuration, reading: Reading): Part | undefined {
    const part = this.followed(command, { configuration, reading, hasMenu: true }, 0)
    return part !== undefined && !('command' in part) && part.entries.length > 0 ? part : undefined
  }

  /**
   * The menu that `CONFIG file [directory]` or `menu.c32 file` opens; undefined when a command opens none, or one that
   * leads here.
   */
  private openedBy(text: string, reading: Reading): (Part & { readonly isKnown: boolean }) | undefined {
    const [first, rest] = splitWord(text)
    const isConfig = /^config(?:\.c32)?$/.test(moduleName(first))
    if (!isConfig && !isMenuModule(first)) return undefined
    const [name, directory] = splitWord(rest)
    if (name === '' || name.startsWith('~')) return undefined
    const path = locate(name, reading)
    const known = this.opened.get(path)
    if (known !== undefined) return { ...known, entries: [], isKnown: true }
    if (this.opened.has(path) || this.opened.size >= MAX_CONFIGURATIONS) return undefined
    if (!this.survey.system.isFile(path)) return undefined
    const next = isConfig && directory !== '' ? locate(directory, reading) : reading.directory
    return { ...this.read(path, next, reading.submenus), isKnown: false }
  }

  private preset(
    { label, command, reason, doubt: own }: Choice,
    parts: Map<Label, Part>,
    entries: FoundEntry[],
    opened: Opened,
  ): Part {
    const { configuration, reading } = opened
    const part = label === undefined ? undefined : parts.get(label)
    const doubt = own ?? part?.preset?.doubt
    const [, options] = splitWord(command ?? '')
    if (part !== undefined && options === '') {
      const entry = part.preset?.entry ?? part.entries[0]
      const preset = entry === undefined ? null : { entry, reason: part.preset?.reason || reason, doubt }
      return { entries, preset, waits: part.waits }
    }
    if (command === undefined || (part === undefined && !configuration.isImplicit)) return { entries, preset: null }
    if (part === undefined) {
      const followed = this.followed(command, opened, 0)
      if (followed !== undefined && !('command' in followed))
        return { ...followed, entries: [...entries, ...followed.entries] }
      const target = followed === undefined ? undefined : this.labelOf(followed.command, configuration)
      const listed = target === undefined ? undefined : parts.get(target)
      const entry = listed?.preset?.entry ?? listed?.entries[0]
      if (followed !== undefined && entry !== undefined)
        return {
          entries,
          preset: {
            entry,
            reason: `${reason}, as ${followed.reason}`,
            doubt: followed.uncertainty ?? listed?.preset?.doubt,
          },
        }
    }
    const known = part?.preset?.entry ?? part?.entries[0]
    const entry =
      known === undefined
        ? commandEntry(command, reading)
        : {
            ...known,
            id: command,
            title: `${known.title} (${options})`,
            commandLine: `${known.commandLine ?? ''} ${options}`.trim(),
          }
    return { entries: [...entries, entry], preset: { entry, reason, doubt } }
  }
}

/**
 * The kernel decides, as SYSLINUX starts only x86 ones; else the name of the file, and then keywords that only U-Boot
 * supports. Alpine writes FDTDIR even for x86.
 */
function isForUBoot(configuration: Configuration, reading: Omit<Reading, 'flavour'>): boolean {
  const kernels = configuration.labels.filter(
    ({ keyword, kernel }) => kernel !== null && /^(?:kernel|linux)$/.test(keyword),
  )
  for (const { kernel } of kernels.slice(0, 8)) {
    const file = splitWord(kernel ?? '')[0].split('#', 1)[0] ?? ''
    const path = locate(file, { ...reading, flavour: 'syslinux' })
    const { architecture } = reading.survey.kernelFile(path)
    if (architecture !== null) return !/^(?:x86_64|i[3-6]86|x86)$/.test(architecture)
  }
  if (isNamedForSyslinux(posix.basename(reading.config))) return false
  return configuration.namesDevicetree
}
