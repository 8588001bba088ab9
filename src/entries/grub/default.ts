import type { FoundEntry } from '../model/found-entry.ts'
import type { MenuLevel, MenuNode } from './menu-tree.ts'

/** The entry that boots when nobody touches a key. */
export interface DefaultEntry {
  readonly entry: FoundEntry | null
  /** Whether the text named it, or it was merely the first. */
  readonly isNamed: boolean
}

/**
 * Finds the entry of `default`, as GRUB does. Up to the first `>`: a number, counted from 0 with submenus as one each,
 * or an id or a title; behind it the same in that submenu. A text that names no entry means the first. `>>` is a `>` in
 * a name. The empty text is the title of separators; null, a variable that is not set, names none of them.
 */
export function defaultEntry(top: MenuLevel, text: string | null, isRedHat = false): DefaultEntry {
  let level = top
  let rest = text
  let isNamed = text !== null && text !== ''
  for (;;) {
    const [name, behind] = firstPart(rest ?? '')
    const named = rest === null ? undefined : nodeNamed(level, name, isRedHat)
    isNamed &&= named !== undefined || name === ''
    const node = named ?? level.nodes[0]
    if (node === undefined) return { entry: null, isNamed: false }
    if (node.menu === null) return { entry: node.entry, isNamed }
    level = node.menu
    // A submenu's own default counts when nothing is left of the outer one.
    rest = behind === '' ? level.default : behind
  }
}

/**
 * GRUB takes any text that begins with a digit for a number: '6.1 of Debian' is the seventh entry. Red Hat's GRUB looks
 * for an id and a title first, since its ids begin with a machine's id, and requires a number to be the whole text.
 */
function nodeNamed({ nodes }: MenuLevel, name: string, isRedHat: boolean): MenuNode | undefined {
  const [, hex, octal, decimal, behind] = /^\s*(?:0x([\da-f]+)|0([0-7]+)|(\d+))(.*)$/is.exec(name) ?? []
  const named = () => nodes.find(({ item }) => item.id === name) ?? nodes.find(({ item }) => item.title === name)
  if (behind === undefined)
    return isRedHat ? named() : nodes.find(({ item }) => item.id === name || item.title === name)
  const index =
    hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : Number(decimal)
  if (!isRedHat) return nodes[index]
  return named() ?? (behind.trim() === '' ? nodes[index] : undefined)
}

function firstPart(text: string): [part: string, rest: string] {
  for (let at = text.indexOf('>'); at >= 0; at = text.indexOf('>', at + 2)) {
    if (text[at + 1] !== '>') return [text.slice(0, at).replaceAll('>>', '>'), text.slice(at + 1)]
  }
  return [text.replaceAll('>>', '>'), '']
}
