import { expect, test } from 'vitest'
import { defaultEntry } from '../../../../src/entries/grub/default.ts'
import type { MenuLevel, MenuNode } from '../../../../src/entries/grub/menu-tree.ts'

function entry(title: string, id = title): MenuNode {
  const item = { isSubmenu: false, title, id, arguments: [title], body: [], config: 'grub.cfg', uncertainties: [] }
  return { item, entry: { id, title, kernel: null, initrds: [], commandLine: null }, menu: null }
}

function submenu(title: string, id: string, preset: string, ...nodes: MenuNode[]): MenuNode {
  return { ...entry(title, id), entry: null, menu: { nodes, default: preset, timeout: '5' } }
}

const menu: MenuLevel = {
  default: '',
  timeout: '5',
  nodes: [
    entry('first', 'id-first'),
    submenu('more', 'id-more', '', entry('inner'), entry('x > y', 'x>y')),
    submenu('own default', 'own', '1', entry('not this'), entry('this')),
    entry('2024 edition'),
    entry('3f1b-6.11.4'),
    entry('sixth'),
  ],
}

test.each([
  ['', 'first'],
  ['0', 'first'],
  ['id-first', 'first'],
  ['3', '2024 edition'],
  ['0x5', 'sixth'],
  ['05', 'sixth'],
  ['1', 'inner'],
  ['1>1', 'x > y'],
  ['more>x >> y', 'x > y'],
  ['id-more>x>>y', 'x > y'],
  ['own', 'this'],
  ['own>0', 'not this'],
  ['2>nothing', 'not this'],
  ['nothing', 'first'],
  ['99', 'first'],
  // GRUB's own numbers end where the digits do: judged in the tree grub-corners.
  ['5th of them', 'sixth'],
  ['2024 edition', 'first'],
  ['3f1b-6.11.4', '2024 edition'],
])('default=%j is %j', (text, title) => {
  expect(defaultEntry(menu, text).entry?.title).toBe(title)
})

test.each([
  ['3f1b-6.11.4', '3f1b-6.11.4'],
  ['2024 edition', '2024 edition'],
  ['5', 'sixth'],
  ['5th of them', 'first'],
  ['1>1', 'x > y'],
])("Red Hat's GRUB goes by names first: default=%j is %j", (text, title) => {
  expect(defaultEntry(menu, text, true).entry?.title).toBe(title)
})
