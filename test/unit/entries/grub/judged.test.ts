import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BootEntry } from '../../../../src/entries/model/entry.ts'
import { FileIndex } from '../../../../src/entries/paths/file-index.ts'
import type { System } from '../../../../src/system/system.ts'
import { fixtureFile, fixtureNames, fixtureSystem } from '../fixtures.ts'
import { readSentences, type SentencedEntry } from '../sentences.ts'
import { identify } from '../tree.ts'
import type { JudgedEntry } from './scripts.ts'

/** What the real GRUB made of a tree, written down by test/vm/grub-judge.test.ts. */
interface Judged {
  readonly default: number | null
  readonly entries: readonly JudgedEntry[]
}

const judgedNames = fixtureNames.filter(
  (name) => existsSync(fixtureFile(name, 'disk.txt')) && existsSync(fixtureFile(name, 'expected.json')),
)

describe('the menu is the one that the real GRUB showed', () => {
  test.each(judgedNames)('%s', async (name) => {
    const judged: Judged = JSON.parse(readFileSync(fixtureFile(name, 'expected.json'), 'utf8'))
    const system = fixtureSystem(name)
    const { entries } = await readSentences({ system, identify })
    // The judge ran on a BIOS machine; the tree does not tell what it is from, so both menus are listed.
    const menu = entries
      .filter((entry) => entry.sources.includes('grub'))
      .filter(
        ({ problems }) =>
          !problems.some((problem) => problem.startsWith("It is shown only if $grub_platform is 'efi'")),
      )
    expect(menu.map((entry) => comparable(withoutMultiboot(entry), system))).toEqual(
      judged.entries.map((entry) => comparable(entry, system)),
    )
    const chosen = menu.findIndex(({ isDefault }) => isDefault)
    expect(chosen === -1 ? null : chosen).toBe(judged.default)
    expect(firstIds(menu, judged)).toEqual(firstIds(judged.entries, judged))
  })
})

/** The judge's GRUB had nothing to load Xen with, so it told no kernel. */
function withoutMultiboot(entry: SentencedEntry): SentencedEntry {
  return entry.problems.some((problem) => problem.includes('multiboot kernel')) ? { ...entry, kernel: null } : entry
}

type Comparable = Pick<BootEntry, 'submenus' | 'title' | 'kernel' | 'initrds' | 'commandLine'> & {
  readonly deviceTree?: string | null
}

/** Paths count by what they lead to: a link on the way is no difference. */
function comparable({ submenus, title, kernel, initrds, commandLine, deviceTree }: Comparable, system: System) {
  const files = new FileIndex(system)
  const target = (path: string) => {
    if (isElsewhere(path)) return 'on no file system of this one'
    // The judge names a file as the configuration does, FAT as it likes.
    const spelled = files.ignoringCase(path)
    return spelled === undefined ? path : system.resolve(spelled)
  }
  // What stands beside a Xen or another boot loader is not told, nor what belongs to another system's kernel.
  if (kernel === null || isElsewhere(kernel) || files.ignoringCase(kernel) === undefined) {
    const nothing = kernel === null || isElsewhere(kernel) || target(kernel) !== kernel
    return { submenus, title, kernel: nothing ? null : kernel }
  }
  const dtb = deviceTree === null || deviceTree === undefined ? null : target(deviceTree)
  return { submenus, title, kernel: target(kernel), initrds: initrds.map(target), commandLine, deviceTree: dtb }
}

/** `(hd0,msdos2)/boot/vmlinuz`: on a partition that the system has not mounted. */
function isElsewhere(path: string): boolean {
  return path.startsWith('(')
}

/** Ids where the judge knows them; in our list a second one of the same id gets another. */
function firstIds(entries: readonly { readonly id: string | null }[], { entries: judged }: Judged) {
  const known = judged.map(({ id }) => id)
  return entries.map(({ id }, index) =>
    known[index] === null || known.indexOf(known[index] as string) < index ? null : id,
  )
}
