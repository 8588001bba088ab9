import type { Configuration, Label, SubMenu } from './configuration.ts'
import { commandOf, type Reading } from './label-entry.ts'
import { moduleName, splitWord } from './reader.ts'
import { selectedBy } from './selectors.ts'

export function isMenuModule(name: string): boolean {
  return /^(?:vesa)?menu(?:\.c32)?$/.test(moduleName(name))
}

/** Labels that lead to one another by modules that choose. */
const MAX_HOPS = 16

/** The whole start of a label: file, options and the additions of APPEND. */
export function textOf(label: Label, reading: Reading): string | undefined {
  const command = commandOf(label, reading.flavour)
  if (command === undefined) return undefined
  const append = label.append === null || label.append === '-' ? '' : label.append
  return `${command.keyword === 'config' ? 'config ' : ''}${command.text} ${append}`.trim()
}

/** The command that opens a menu when the loader starts; undefined when there is only a prompt. */
export function menuCommand({ ui, defaultCommand, labels }: Configuration, reading: Reading): string | undefined {
  if (reading.flavour === 'u-boot') return undefined
  let command = ui ?? defaultCommand ?? ''
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const [word] = splitWord(command)
    if (isMenuModule(word)) return command
    const label = labels.find(({ name }) => splitWord(name)[0] === word)
    const next =
      label === undefined
        ? selectedBy(command, reading.variant, reading.survey.system)?.command
        : textOf(label, reading)
    if (next === undefined) break
    command = next
  }
  return ui === null ? undefined : ui
}

export interface Choice {
  readonly label?: Label | undefined
  /** The command that names it, with options after it. */
  readonly command?: string
  readonly reason: string
  /** The menu may begin with another one, which only SYSLINUX's own hidden file tells (ldlinux.sys). A sentence. */
  readonly doubt?: string | undefined
}

/**
 * Why nothing starts until somebody touches a key: without a TIMEOUT, menus of SYSLINUX (doc/menu.txt) and prompts, also
 * that of U-Boot (common/menu.c), wait for ever.
 */
export function waitOf({ hasTimeout, prompts, files }: Configuration, hasMenu: boolean): string | undefined {
  if (hasTimeout || !(hasMenu || prompts)) return undefined
  return `${files[0]} sets no TIMEOUT, so its ${hasMenu ? 'menu' : 'prompt'} waits for a key`
}

/** The label or command that starts when nobody touches a key. */
export function choose(configuration: Configuration, reading: Reading, hasMenu: boolean): Choice | undefined {
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
    // The behaviour of SYSLINUX before version 6; newer ones stay at the prompt.
    const label = labels.find(({ name }) => name === 'linux')
    return label === undefined
      ? undefined
      : { label, reason: 'SYSLINUX takes the label linux when no DEFAULT is given' }
  }
  const saved = configuration.savesSelection ? ', unless MENU SAVE kept another' : ''
  const doubt =
    saved === '' ? undefined : `MENU SAVE in ${reading.config} may have kept another entry than the default.`
  const label = labels.find(({ name }) => name === splitWord(defaultCommand ?? '')[0])
  const opensMenu = label !== undefined && isMenuModule(splitWord(commandOf(label, 'syslinux')?.text ?? '')[0])
  if (label !== undefined && !label.isHidden && !opensMenu)
    return { label, reason: `DEFAULT in ${reading.config} names it${saved}`, doubt }
  const selected = selectedIn(configuration.start)
  if (selected === undefined) return undefined
  const isMarked = configuration.start.preset !== null
  const reason = isMarked ? `MENU DEFAULT marks it in ${reading.config}` : 'it is the first of the menu'
  return { label: selected, reason: `${reason}${saved}`, doubt }
}

function chooseAsUBoot({ labels, defaultCommand }: Configuration): Choice | undefined {
  const label = labels.findLast(({ name }) => name === defaultCommand)
  if (label !== undefined) return { label, reason: `the default label is ${label.name}` }
  const first = labels.find(({ kernel }) => kernel !== null && kernel !== '')
  return first === undefined ? undefined : { label: first, reason: 'U-Boot tries the labels in their order' }
}

/** The item a menu starts on: the marked one, else the first that can be chosen; in a submenu, the submenu's item. */
function selectedIn(menu: SubMenu): Label | undefined {
  const canBeChosen = (item: Label | SubMenu) =>
    item.kind === 'menu' || !(item.isHidden || item.isDisabled || item.isMove)
  const item = menu.preset !== null && canBeChosen(menu.preset) ? menu.preset : menu.items.find(canBeChosen)
  return item?.kind === 'menu' ? selectedIn(item) : item
}
