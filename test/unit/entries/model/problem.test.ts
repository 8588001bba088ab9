import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readBootMenu } from '../../../../src/entries/discover.ts'
import { problemCodes } from '../../../../src/entries/model/problem.ts'
import { System } from '../../../../src/system/system.ts'
import { identify, makeTree, type Tree } from '../tree.ts'

test('docs/remarks.md and the code list the same codes', () => {
  const page = readFileSync('docs/remarks.md', 'utf8')
  const start = page.indexOf('## Problems of entries and of the list')
  const section = page.slice(start, page.indexOf('\n## ', start))
  const documented = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code)
  expect(documented).toEqual([...problemCodes].sort())
})

const kernel = { '/boot/vmlinuz-6.1.0': { kernel: '6.1.0' } } as const
const grub = (text: string): Tree => ({ ...kernel, '/boot/grub/grub.cfg': { text } })

test.each<[string, string, Tree, readonly string[]]>([
  ['a kernel that is not there', 'entry', grub('menuentry a { linux /boot/gone }'), ['missing-kernel']],
  [
    'an initrd that is not there',
    'entry',
    grub('menuentry a { linux /boot/vmlinuz-6.1.0\ninitrd /boot/gone }'),
    ['missing-initrd'],
  ],
  [
    'an empty kernel and a directory as initrd',
    'entry',
    { ...grub('menuentry a { linux /boot/none\ninitrd /boot/grub }'), '/boot/none': 'empty' },
    ['unreadable-kernel', 'unreadable-initrd'],
  ],
  [
    'an archive in place of a kernel',
    'entry',
    { ...grub('menuentry a { linux /boot/a.gz }'), '/boot/a.gz': 'gzip' },
    ['not-a-kernel'],
  ],
  [
    'modules of another kernel only',
    'entry',
    { ...grub('menuentry a { linux /boot/vmlinuz-6.1.0 }'), '/lib/modules/6.6.0': 'directory' },
    ['no-modules'],
  ],
  ['another boot loader', 'entry', grub('menuentry a { chainloader +1 }'), ['no-kernel']],
  [
    'the network',
    'entry',
    grub('menuentry a { linux (http,example.org)/vmlinuz }'),
    ['out-of-reach', 'missing-kernel'],
  ],
  [
    'a condition of the firmware',
    'entry',
    grub('if keystatus; then menuentry a { linux /boot/vmlinuz-6.1.0 }; fi'),
    ['uncertain'],
  ],
  [
    'a default that is not there',
    'list',
    grub('set default=x\nmenuentry a { linux /boot/vmlinuz-6.1.0 }'),
    ['unknown-default'],
  ],
  [
    'a line that is not GRUB',
    'list',
    grub('if true\nmenuentry a { linux /boot/vmlinuz-6.1.0 }'),
    ['configuration-mistake'],
  ],
  ['a command that nobody knows', 'list', grub('frobnicate\nmenuentry a { linux /boot/vmlinuz-6.1.0 }'), ['left-out']],
  ['a FIFO as configuration', 'list', { ...kernel, '/boot/extlinux/extlinux.conf': 'fifo' }, ['not-opened']],
  [
    'no initrd among kernels that have one',
    'entry',
    {
      '/boot/vmlinuz-6.6.0': { kernel: '6.6.0' },
      '/boot/vmlinuz-6.1.0': { kernel: '6.1.0' },
      '/boot/initrd.img-6.1.0': 'initrd',
    },
    ['no-initrd'],
  ],
])('%s: a problem of the %s', async (_what, place, tree, codes) => {
  const { entries, problems } = await readBootMenu({ system: new System(makeTree(tree)), identify })
  const found = place === 'list' ? problems : entries[0]?.problems
  expect(found?.map(({ code }) => code)).toEqual(codes)
  for (const { text } of found ?? []) expect(text).toMatch(/\.$/)
})
