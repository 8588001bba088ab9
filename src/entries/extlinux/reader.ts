import { posix } from 'node:path'
import { addProblem, addSentence } from '../model/budget.ts'
import type { BootProblem, BootProblemCode } from '../model/problem.ts'
import { type Configuration, type KernelKeyword, type Label, newLabel, newMenu } from './configuration.ts'

/** Depth of includes that PXELINUX and U-Boot allow. */
const MAX_DEPTH = 16
/** Files in all: one that includes itself twice would double at every depth. */
const MAX_FILES = 256
/** Labels in all. */
const MAX_LABELS = 50_000
/** Menus in menus. */
const MAX_MENUS = 64

/** A file that INCLUDE names; undefined when it does not exist. */
export type OpenInclude = (name: string) => { readonly path: string; readonly text: string } | undefined

/**
 * The program that reads the file. They share a syntax but differ in this (doc/syslinux.txt and com32/elflink/ldlinux
 * of SYSLINUX 6; doc/README.pxe and boot/pxe_utils.c of U-Boot):
 * - a keyword that U-Boot does not know ends the label; SYSLINUX skips it;
 * - SYSLINUX knows a global APPEND, `APPEND -`, submenus and hidden or disabled labels; U-Boot does not;
 * - of several INITRD the last counts for SYSLINUX; for U-Boot the second ends the label, and so does a second FDT;
 * - a label's name is the rest of the line for U-Boot and for SYSLINUX's menus, one word for SYSLINUX without a menu;
 * - only U-Boot has FDT, FDTDIR and FDTOVERLAYS.
 */
export type Flavour = 'syslinux' | 'u-boot'

const kernelKeywords = 'kernel linux boot bss pxe fdimage comboot com32 config localboot'.split(' ')

/** The keywords that U-Boot knows inside a label; any other ends it. */
const uBootLabelKeywords = new Set(
  'menu kernel linux append initrd fdt devicetree fdtdir devicetreedir fdtoverlays devicetree-overlay localboot ipappend kaslrseed say'.split(
    ' ',
  ),
)

/** The forms of 'menu …' that U-Boot knows. */
const uBootMenuKeywords = new Set(['title', 'include', 'label', 'default', 'background'])

/** Reads one configuration file and its includes. Never throws; unreadable parts are in the problems. */
export function readConfiguration(path: string, text: string, flavour: Flavour, open: OpenInclude): Configuration {
  const reader = new Reader(flavour, open)
  reader.readFile(path, text)
  return reader.finish()
}

class Reader {
  private readonly flavour: Flavour
  private readonly open: OpenInclude
  private readonly root = newMenu('', null)
  private readonly labels: Label[] = []
  private readonly files: string[] = []
  private readonly problems: BootProblem[] = []
  private start = this.root
  private menu = this.root
  private label: Label | null = null
  private globalAppend: string | null = null
  private globalSysappend = 0
  private defaultCommand: string | null = null
  private ui: string | null = null
  private onTimeout: string | null = null
  private timeout = 0
  private totalTimeout = 0
  private prompts = false
  private isImplicit = true
  private savesSelection = false
  private namesDevicetree = false
  private depth = 0
  private menuDepth = 0
  private inText = false
  private place = ''

  constructor(flavour: Flavour, open: OpenInclude) {
    this.flavour = flavour
    this.open = open
  }

  readFile(path: string, text: string): void {
    this.files.push(path)
    this.depth++
    let number = 0
    for (const line of text.split('\n')) {
      this.place = `${path}:${++number}`
      this.readLine(line)
    }
    this.depth--
  }

  finish(): Configuration {
    this.endLabel()
    return {
      root: this.root,
      start: this.start,
      labels: this.labels,
      globalAppend: this.globalAppend,
      defaultCommand: this.defaultCommand,
      ui: this.ui,
      onTimeout: this.onTimeout,
      hasTimeout: this.timeout > 0 || this.totalTimeout > 0,
      prompts: this.prompts,
      isImplicit: this.isImplicit,
      savesSelection: this.savesSelection,
      namesDevicetree: this.namesDevicetree,
      files: this.files,
      problems: this.problems,
    }
  }

  private readLine(line: string): void {
    const [word, value] = splitWord(line)
    const keyword = word.toLowerCase()
    if (this.inText) {
      this.inText = keyword !== 'endtext'
      return
    }
    if (keyword === '' || keyword.startsWith('#')) return
    if (this.flavour === 'u-boot' && this.label !== null && !uBootLabelKeywords.has(keyword)) this.endLabel()
    if (keyword === 'menu') this.menuCommand(value)
    else if (keyword === 'label') this.beginLabel(value)
    else if (kernelKeywords.includes(keyword)) this.kernelCommand(keyword as KernelKeyword, value)
    else if (keyword === 'include') this.include(value)
    else if (!this.labelCommand(keyword, value)) this.globalCommand(keyword, value)
  }

  private kernelCommand(keyword: KernelKeyword, value: string): void {
    if (this.label === null) return
    this.label.keyword = keyword
    this.label.kernel = value
  }

  /** @returns whether the keyword is one that belongs to labels. */
  private labelCommand(keyword: string, value: string): boolean {
    const { label } = this
    if (this.flavour === 'u-boot' && label !== null && isRepeated(keyword, label)) {
      addSentence(
        label.problems,
        `${this.place}: a second ${keyword.toUpperCase()} in label ${label.name}, where U-Boot ends the label.`,
      )
      this.endLabel()
      return true
    }
    switch (keyword) {
      case 'append':
        this.append(value)
        return true
      case 'initrd':
        if (label === null) return true
        if (label.initrd !== null)
          addSentence(
            label.problems,
            `${this.place}: a second INITRD in label ${label.name}; only the last counts. ` +
              'Files are to be given in one line, with commas.',
          )
        label.initrd = value
        return true
      case 'fdt':
      case 'devicetree':
        this.namesDevicetree = true
        if (label !== null) label.deviceTree ??= value
        return true
      case 'fdtdir':
      case 'devicetreedir':
        this.namesDevicetree = true
        if (label !== null) label.devicetreeDirectory ??= value
        return true
      case 'fdtoverlays':
      case 'devicetree-overlay':
        this.namesDevicetree = true
        if (label !== null) label.overlays ??= value
        return true
      case 'ipappend':
      case 'sysappend':
        if (label === null) this.globalSysappend = numberOf(value)
        else label.sysappend = numberOf(value)
        return true
      default:
        return false
    }
  }

  private append(value: string): void {
    if (this.label === null && this.flavour === 'u-boot')
      addProblem(
        this.problems,
        'configuration-mistake',
        `${this.place}: an APPEND outside of a label, which U-Boot ignores.`,
      )
    else if (this.label === null) this.globalAppend = value
    else {
      this.label.append = value
      if (this.flavour === 'u-boot') this.label.initrd ??= /initrd=(\S*)/.exec(value)?.[1] ?? null
    }
  }

  private globalCommand(keyword: string, value: string): void {
    switch (keyword) {
      case 'default':
        this.defaultCommand = value
        break
      case 'ontimeout':
        if (this.flavour === 'u-boot') this.defaultCommand = value
        else this.onTimeout = value
        break
      case 'ui':
        this.ui = value
        break
      case 'timeout':
        this.timeout = numberOf(value)
        break
      case 'totaltimeout':
        this.totalTimeout = numberOf(value)
        break
      case 'prompt':
        this.prompts = numberOf(value) !== 0
        break
      case 'implicit':
        this.isImplicit = numberOf(value) !== 0
        break
      case 'text':
        this.inText = this.flavour === 'syslinux'
    }
  }

  private beginLabel(value: string): void {
    this.endLabel()
    if (this.labels.length === MAX_LABELS)
      addProblem(this.problems, 'left-out', `${this.place}: more than ${MAX_LABELS} labels.`)
    if (value === '' || this.labels.length > MAX_LABELS) return
    this.label = newLabel(value, this.place, this.menu)
    this.label.sysappend = this.globalSysappend
  }

  private endLabel(): void {
    const { label } = this
    this.label = null
    if (label === null) return
    if (this.flavour === 'syslinux') label.append ??= this.globalAppend
    this.labels.push(label)
    label.menu.items.push(label)
  }

  private menuCommand(text: string): void {
    const [word, value] = splitWord(text)
    const keyword = word.toLowerCase()
    if (this.flavour === 'u-boot' && !uBootMenuKeywords.has(keyword)) return
    switch (keyword) {
      case 'label':
        if (this.label !== null) this.label.menuLabel = value
        else if (this.menu.parent !== null) this.menu.title = value
        break
      case 'title':
        if (this.label === null && this.menu.title === '') this.menu.title = value
        break
      case 'default':
        this.menuDefault()
        break
      case 'start':
        this.start = this.menu
        break
      case 'include':
        this.include(value)
        break
      case 'begin':
        this.beginMenu(value)
        break
      case 'end':
        this.endMenu()
        break
      case 'save':
        this.savesSelection = true
        break
      case 'separator':
        this.endLabel()
        break
      default:
        if (this.label !== null) markLabel(this.label, keyword)
    }
  }

  private menuDefault(): void {
    if (this.label === null) {
      if (this.menu.parent !== null) this.menu.parent.preset = this.menu
    } else if (this.flavour === 'u-boot') this.defaultCommand ??= this.label.name
    else this.label.menu.preset = this.label
  }

  private beginMenu(title: string): void {
    this.endLabel()
    this.menuDepth++
    if (this.menuDepth > MAX_MENUS) {
      if (this.menuDepth === MAX_MENUS + 1)
        addProblem(this.problems, 'left-out', `${this.place}: menus nested too deeply; taken as one.`)
      return
    }
    const menu = newMenu(title, this.menu)
    this.menu.items.push(menu)
    this.menu = menu
  }

  private endMenu(): void {
    this.endLabel()
    if (this.menuDepth === 0) return
    this.menuDepth--
    if (this.menuDepth < MAX_MENUS) this.menu = this.menu.parent ?? this.menu
  }

  /** `INCLUDE file [tag]`: as if the lines stood here; with a tag, in a submenu of that title. */
  private include(value: string): void {
    const [name, title] = splitWord(value)
    const { place } = this
    const problem = (code: BootProblemCode, sentence: string) =>
      addProblem(this.problems, code, `${place}: ${sentence}`)
    if (this.depth >= MAX_DEPTH)
      problem('left-out', `files include each other more than ${MAX_DEPTH} deep; ${name} is left out.`)
    else if (this.files.length >= MAX_FILES)
      problem('left-out', `more than ${MAX_FILES} files are included; ${name} is left out.`)
    else {
      const file = this.open(name)
      if (file === undefined)
        problem('configuration-unreadable', `the included file ${name} is not there, or cannot be read.`)
      else {
        const isSubmenu = title !== '' && this.flavour === 'syslinux'
        if (isSubmenu) this.beginMenu(title)
        this.readFile(file.path, file.text)
        if (isSubmenu) this.endMenu()
      }
    }
  }
}

function markLabel(label: Label, keyword: string): void {
  if (keyword === 'hide') label.isHidden = true
  else if (keyword === 'disable' || keyword === 'disabled') label.isDisabled = true
  else if (keyword === 'goto' || keyword === 'exit' || keyword === 'quit') label.isMove = true
}

/**
 * Whether a label already has this keyword. U-Boot then leaves the value unread, takes it for an unknown keyword, and
 * so ends the label (parse_label of boot/pxe_utils.c). An `initrd=` in APPEND counts as an INITRD.
 */
function isRepeated(keyword: string, { initrd, deviceTree, devicetreeDirectory, overlays }: Label): boolean {
  switch (keyword) {
    case 'initrd':
      return initrd !== null
    case 'fdt':
    case 'devicetree':
      return deviceTree !== null
    case 'fdtdir':
    case 'devicetreedir':
      return devicetreeDirectory !== null
    case 'fdtoverlays':
    case 'devicetree-overlay':
      return overlays !== null
    default:
      return false
  }
}

/** The first word of a line and the rest, without the blanks around them. */
export function splitWord(line: string): [word: string, rest: string] {
  const text = line.trim()
  const end = text.search(/\s/)
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end).trimStart()]
}

function numberOf(value: string): number {
  const number = Number.parseInt(value, value.startsWith('0x') ? 16 : 10)
  return Number.isNaN(number) ? 0 : number
}

/** The name of a file without its directory, for messages and for distinguishing modules. */
export function moduleName(command: string): string {
  return posix.basename(splitWord(command)[0].replace(/\\/g, '/')).toLowerCase()
}
