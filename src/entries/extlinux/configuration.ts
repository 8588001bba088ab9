import type { BootProblem } from '../model/problem.ts'

/**
 * The kind of file that a label starts, by its keyword. `KERNEL` leaves it to the file's name; the others say it
 * (doc/syslinux.txt).
 */
export type KernelKeyword =
  | 'kernel'
  | 'linux'
  | 'boot'
  | 'bss'
  | 'pxe'
  | 'fdimage'
  | 'comboot'
  | 'com32'
  | 'config'
  | 'localboot'

/** A LABEL with all its settings. Texts are as written; null: not given. */
export interface Label {
  readonly kind: 'label'
  /** The rest of the line after LABEL; without a menu SYSLINUX takes the first word. */
  name: string
  /** 'isolinux.cfg:12', for messages. */
  readonly place: string
  /** The menu it stands in. */
  readonly menu: SubMenu
  menuLabel: string | null
  keyword: KernelKeyword
  /** The rest of the line after the keyword. Without one, SYSLINUX starts a file with the label's own name. */
  kernel: string | null
  /** Its own APPEND; at the end of the label, the global one if it has none. */
  append: string | null
  initrd: string | null
  deviceTree: string | null
  devicetreeDirectory: string | null
  overlays: string | null
  /** Bits of IPAPPEND or SYSAPPEND. */
  sysappend: number
  isHidden: boolean
  isDisabled: boolean
  /** MENU GOTO, MENU EXIT or MENU QUIT: it boots nothing, but moves between menus. */
  isMove: boolean
  readonly problems: string[]
}

/** A menu; the outermost has no parent. */
export interface SubMenu {
  readonly kind: 'menu'
  readonly tag: string
  title: string
  readonly parent: SubMenu | null
  readonly items: (Label | SubMenu)[]
  /** By MENU DEFAULT. */
  preset: Label | SubMenu | null
}

/** The contents of one configuration file and its includes. */
export interface Configuration {
  readonly root: SubMenu
  /** The menu that is shown first: MENU START. */
  readonly start: SubMenu
  /** Every label in the order of the files, including hidden and disabled ones. */
  readonly labels: readonly Label[]
  readonly globalAppend: string | null
  /** The command of DEFAULT. U-Boot treats ONTIMEOUT the same, and takes MENU DEFAULT when there is neither. */
  readonly defaultCommand: string | null
  /** The command of UI. */
  readonly ui: string | null
  readonly onTimeout: string | null
  /** Whether an entry boots when nobody touches a key at a prompt or menu. */
  readonly hasTimeout: boolean
  readonly prompts: boolean
  /** Whether a command that is not a label's name is taken for a kernel's file: IMPLICIT. */
  readonly isImplicit: boolean
  /** Whether a menu keeps its last selection for the next time: MENU SAVE. */
  readonly savesSelection: boolean
  /** Whether there are keywords for devicetrees, which only U-Boot supports. */
  readonly namesDevicetree: boolean
  /** Every file that was read. */
  readonly files: readonly string[]
  readonly problems: readonly BootProblem[]
}

export function newLabel(name: string, place: string, menu: SubMenu): Label {
  return {
    kind: 'label',
    name,
    place,
    menu,
    menuLabel: null,
    keyword: 'kernel',
    kernel: null,
    append: null,
    initrd: null,
    deviceTree: null,
    devicetreeDirectory: null,
    overlays: null,
    sysappend: 0,
    isHidden: false,
    isDisabled: false,
    isMove: false,
    problems: [],
  }
}

/**
 * @param tag the name that MENU GOTO finds it by; default: its title
 */
export function newMenu(tag: string, parent: SubMenu | null): SubMenu {
  return { kind: 'menu', tag, title: '', parent, items: [], preset: null }
}

/** Titles of the menus around a label, the outermost first. */
export function submenusOf(label: Label): string[] {
  const titles: string[] = []
  for (let menu = label.menu; menu.parent !== null; menu = menu.parent)
    titles.unshift(withoutHotkey(menu.title || menu.tag))
  return titles
}

/** MENU LABEL marks its key by a caret: 'Debian ^Installer'. */
export function withoutHotkey(title: string): string {
  return title.replace('^', '')
}
