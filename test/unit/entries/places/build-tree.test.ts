import { expect, test } from 'vitest'
import { buildTreeMenu } from '../../../../src/entries/places/build-tree.ts'
import { Survey } from '../../../../src/entries/survey/survey.ts'
import { System } from '../../../../src/system/system.ts'
import { identify, makeTree, type Tree } from '../tree.ts'

function menuOf(tree: Tree, directory = '/usr/src/linux') {
  return buildTreeMenu(new Survey(new System(makeTree(tree)), identify), directory)
}

const built: Tree = {
  '/usr/src/linux/arch/x86/boot/bzImage': { kernel: '7.2.0-rc3+' },
  '/usr/src/linux/arch/x86_64/boot/bzImage': { link: '../../x86/boot/bzImage' },
  '/usr/src/linux/vmlinux': { text: 'ELF' },
  '/usr/src/linux/include/config/kernel.release': { text: '7.2.0-rc3+\n' },
}

test('one kernel, though it has two names and vmlinux lies beside it', () => {
  expect(menuOf(built)).toMatchObject({
    source: 'build-tree',
    config: '/usr/src/linux',
    entries: [
      {
        id: 'arch/x86/boot/bzImage',
        title: 'Linux 7.2.0-rc3+ (build tree)',
        version: '7.2.0-rc3+',
        kernel: '/usr/src/linux/arch/x86/boot/bzImage',
        architecture: 'x86_64',
        commandLine: null,
        problems: [],
        uncertainties: [],
      },
    ],
    preset: null,
  })
})

test('modules that were not installed, a kernel of an older configuration', () => {
  const [entry] = menuOf({
    ...built,
    '/lib/modules/6.1.0': 'directory',
    '/usr/src/linux/include/config/kernel.release': { text: '7.2.0-rc4\n' },
  }).entries
  expect(entry?.uncertainties).toEqual([expect.stringContaining('no modules directory for 7.2.0-rc3+')])
  expect(entry?.problems).toMatchObject([
    { code: 'stale-build', text: expect.stringContaining('is 7.2.0-rc3+, but the tree is set up for 7.2.0-rc4') },
  ])
})

test('only vmlinux, and nothing at all', () => {
  const tree: Tree = { '/o/vmlinux': { kernel: '6.1.0' } }
  expect(menuOf(tree, '/o').entries).toMatchObject([{ id: 'vmlinux', kernel: '/o/vmlinux' }])
  expect(menuOf({}, '/o').entries).toEqual([])
})
