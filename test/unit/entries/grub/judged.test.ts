import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type BootEntry, readBootMenu } from '../../../../src/entries/index.ts'
import { sources } from '../../../../src/entries/sources.ts'
import type { System } from '../../../../src/system/system.ts'
import { fixtureFile, fixtureNames, fixtureSystem } from '../fixtures.ts'
import { identify } from '../tree.ts'

/** What the real GRUB made of a tree, written down by test/vm/grub-judge.test.ts. */
interface Judged {
  readonly default: number | null
  readonly entries: readonly {
    readonly submenus: readonly string[]
    readonly title: string
    readonly id: string | null
    readonly kernel: string | null
    readonly initrds: readonly string[]
    readonly cmdline: string | null
  }[]
}

const judgedNames = fixtureNames.filter(
  (name) => existsSync(fixtureFile(name, 'disk.txt')) && existsSync(fixtureFile(name, 'expected.json')),
)

// Until the source is there.
const withGrub = describe.skipIf(!sources.some(({ name }) => name === 'grub'))

withGrub('the menu is the one that the real GRUB showed', () => {
  test.each(judgedNames)('%s', async (name) => {
    const judged: Judged = JSON.parse(readFileSync(fixtureFile(name, 'expected.json'), 'utf8'))
    const system = fixtureSystem(name)
    const { entries } = await readBootMenu({ system, identify })
    const menu = entries.filter(({ sources }) => sources.includes('grub'))
    expect(menu.map((entry) => asJudged(entry, system))).toEqual(
      judged.entries.map(({ submenus, title, kernel, initrds, cmdline }) => ({
        ...{ submenus, title, cmdline },
        ...paths(kernel, initrds, system),
      })),
    )
    const chosen = menu.findIndex(({ isDefault }) => isDefault)
    expect(chosen === -1 ? null : chosen).toBe(judged.default)
    for (const [index, { id }] of judged.entries.entries()) if (id !== null) expect(idOf(menu[index])).toBe(id)
  })
})

function asJudged({ submenus, title, kernel, initrds, cmdline }: BootEntry, system: System) {
  return { submenus, title, cmdline: kernel === null ? null : cmdline, ...paths(kernel, initrds, system) }
}

/** Paths by what they lead to: a link on the way is no difference. */
function paths(kernel: string | null, initrds: readonly string[], system: System) {
  const target = (path: string) => {
    try {
      return system.resolve(path)
    } catch {
      return path
    }
  }
  // Initrds of an entry that starts no Linux kernel mean nothing.
  return { kernel: kernel === null ? null : target(kernel), initrds: kernel === null ? [] : initrds.map(target) }
}

/** An id as GRUB has it: a list of ours needs unique ones, and counts on from the second. */
function idOf(entry: BootEntry | undefined): string | undefined {
  return entry?.id
}
