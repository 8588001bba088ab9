import type { Problem } from '../model/problem.ts'

/**
 * What a label starts, by its keyword. `KERNEL` leaves it to the file's name; the others say it (doc/syslinux.txt).
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

/** A LABEL with all that belongs to it. Texts are as written; null: not given. */
export interface Label {
  readonly kind: 'label'
  /** All that follows LABEL; without a menu SYSLINUX takes the first word. */
  name: string
  /** 'isolinux.cfg:12', for messages. */
  readonly place: string
  /** The menu it stands in. */
  readonly menu: SubMenu
  menuLabel: string | null
  keyword: KernelKeyword
  /** All that follows the keyword. SYSLINUX starts a file of the label's own name when there is none. */
  kernel: string | null
  /** Its own APPEND; once the label ends, the global one if it has none. */
  append: string | null
  initrd: string | null
  devicetree: string | null
  devicetreeFolder: string | null
  overlays: string | null
  /** Bits of IPAPPEND or SYSAPPEND. */
  sysappend: number
  isHidden: boolean
  isDisabled: boolean
  /** MENU GOTO, MENU EXIT or MENU QUIT: it boots nothing, and moves about in the menus. */
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

/** Everything that one configuration file and those it includes say. */
export interface Configuration {
  readonly root: SubMenu
  /** The menu that is shown first: MENU START. */
  readonly start: SubMenu
  /** Every label in the order of the files, hidden and disabled ones too. */
  readonly labels: readonly Label[]
  readonly globalAppend: string | null
  /** The command of DEFAULT; U-Boot takes ONTIMEOUT for the same, and MENU DEFAULT when there is neither. */
  readonly defaultCommand: string | null
  /** The command of UI. */
  readonly ui: string | null
  readonly onTimeout: string | null
  /** Whether something is booted when nobody touches a key at a prompt or menu. */
  readonly hasTimeout: boolean
  readonly prompts: boolean
  /** Whether a command that is no label's name is taken for a kernel's file: IMPLICIT. */
  readonly isImplicit: boolean
  /** Whether a menu keeps what was selected for the next time: MENU SAVE. */
  readonly savesSelection: boolean
  /** Whether there are keywords for devicetrees, which only U-Boot knows. */
  readonly namesDevicetree: boolean
  /** Every file that was read. */
  readonly files: readonly string[]
  readonly problems: readonly Problem[]
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
    devicetree: null,
    devicetreeFolder: null,
    overlays: null,
    sysappend: 0,
    isHidden: false,
    isDisabled: false,
    isMove: false,
    problems: [],
  }
}

/** @param tag by which MENU GOTO finds it; its title when nothing gives it one */
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

/** MENU LABEL marks the key that selects it by a caret: 'Debian ^Installer'. */
export function withoutHotkey(title: string): string {
  return title.replace('^', '')
}
