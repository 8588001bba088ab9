import { describe, expect, test } from 'vitest'
import { mergeMenus } from '../../../src/entries/merge.ts'
import type { FoundEntry, Menu } from '../../../src/entries/model/found-entry.ts'
import { rank } from '../../../src/entries/rank.ts'
import { Survey } from '../../../src/entries/survey/survey.ts'
import { System } from '../../../src/system/system.ts'
import { withSentences } from './sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from './tree.ts'

const tree: Tree = {
  ...kernels('/boot', 'vmlinuz-', '6.1.0', '6.12.0'),
  ...files('initrd', '/boot/initrd.img-6.1.0', '/boot/initrd.img-6.12.0'),
}

function entry(release: string, more: Partial<FoundEntry> = {}): FoundEntry {
  return {
    id: release,
    title: `Linux ${release}`,
    kernel: `/boot/vmlinuz-${release}`,
    initrds: [`/boot/initrd.img-${release}`],
    commandLine: 'root=/dev/sda1 ro quiet',
    ...more,
  }
}

function menu(source: Menu['source'], entries: FoundEntry[], preset = -1): Menu {
  const chosen = entries[preset]
  return {
    source,
    config: `/boot/${source}.cfg`,
    entries,
    preset: chosen === undefined ? null : { entry: chosen, reason: 'the file says so' },
    problems: [],
  }
}

function listOf(menus: Menu[], more: Tree = {}) {
  const system = new System(makeTree({ ...tree, ...more }))
  const { entries, loaders, problems } = mergeMenus(menus, new Survey(system, identify))
  return { loaders, problems: problems.map(({ text }) => text), entries: rank(entries, system).map(withSentences) }
}

const lying = (release: string) => entry(release, { id: `vmlinuz-${release}`, commandLine: null })

describe('one list', () => {
  test('a kernel that a menu starts is not listed again because its file lies in /boot', () => {
    const { entries } = listOf([menu('boot-dir', [lying('6.12.0'), lying('6.1.0')]), menu('grub', [entry('6.1.0')], 0)])
    expect(entries.map(({ id, sources }) => [id, sources])).toEqual([
      ['6.1.0', ['grub', 'boot-dir']],
      ['vmlinuz-6.12.0', ['boot-dir']],
    ])
  })

  test('within a menu nothing is merged, and its order stays', () => {
    const recovery = entry('6.1.0', { id: 'recovery', commandLine: 'root=/dev/sda1 ro single' })
    const again = entry('6.1.0', { id: 'again', submenus: ['Advanced'] })
    const { entries } = listOf([menu('grub', [entry('6.1.0'), recovery, again, entry('6.12.0')], 3)])
    expect(entries.map(({ id }) => id)).toEqual(['6.1.0', 'recovery', 'again', '6.12.0'])
    expect(entries.find(({ isDefault }) => isDefault)?.id).toBe('6.12.0')
    expect(entries.find(({ isNewest }) => isNewest)?.id).toBe('6.12.0')
  })

  test('two boot loaders that boot the same: one entry, whatever each adds of its own', () => {
    const theirs = entry('6.1.0', { id: 'l0', commandLine: 'initrd=/initrd.img-6.1.0 root=/dev/sda1 ro quiet' })
    const { entries, problems } = listOf([menu('grub', [entry('6.1.0')], 0), menu('extlinux', [theirs], 0)])
    expect(entries.map(({ id, source, sources }) => [id, source, sources])).toEqual([
      ['6.1.0', 'grub', ['grub', 'extlinux']],
    ])
    expect(problems).toEqual([])
  })

  test('the same kernel with another command line is another entry', () => {
    const theirs = entry('6.1.0', { id: 'l0', commandLine: 'root=/dev/sda1 ro debug' })
    const { entries } = listOf([menu('grub', [entry('6.1.0')]), menu('extlinux', [theirs])])
    expect(entries.map(({ id }) => id)).toEqual(['6.1.0', 'l0'])
  })

  test('ids stay unique: a second of the same name is known by its kernel, a third by a number', () => {
    const twice = entry('6.12.0', { id: 'linux' })
    const { entries } = listOf([menu('grub', [entry('6.1.0', { id: 'linux' }), twice, { ...twice, commandLine: 'x' }])])
    expect(entries.map(({ id }) => id)).toEqual(['linux', '/boot/vmlinuz-6.12.0', 'linux (2)'])
  })

  test('a copy in a modules directory is the kernel in /boot', () => {
    const copy = { ...lying('6.1.0'), id: 'modules/6.1.0', kernel: '/usr/lib/modules/6.1.0/vmlinuz' }
    const { entries } = listOf([menu('grub', [entry('6.1.0')]), menu('modules-dir', [copy])], {
      '/usr/lib/modules/6.1.0/vmlinuz': { kernel: '6.1.0' },
    })
    expect(entries.map(({ id, sources }) => [id, sources])).toContainEqual(['6.1.0', ['grub', 'modules-dir']])
  })
})

describe('the boot loader in charge', () => {
  const grub = menu('grub', [entry('6.1.0'), entry('6.12.0')], 0)
  const bls = menu('bls', [entry('6.12.0', { id: 'b.conf', title: 'BLS', commandLine: 'other' })], 0)
  const inCharge = (more: Tree) => listOf([bls, grub], more).loaders.find((loader) => loader.inCharge)?.source

  test('without evidence GRUB, and the disagreement is told', () => {
    const { loaders, problems, entries } = listOf([bls, grub])
    expect(loaders.map(({ source, inCharge, default: id }) => [source, inCharge, id])).toEqual([
      ['grub', true, '6.1.0'],
      ['bls', false, 'b.conf'],
    ])
    expect(entries.filter(({ isDefault }) => isDefault).map(({ id }) => id)).toEqual(['6.1.0'])
    expect(problems).toEqual([
      "The boot loaders disagree about the default: /boot/grub.cfg (grub) names 'Linux 6.1.0', /boot/bls.cfg (bls) names 'BLS'. The first is taken to be in charge, as nothing shows which of them started this system.",
    ])
  })

  const loaderInfo = (text: string): Tree => ({
    '/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f': {
      file: Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.from(`${text}\0`, 'utf16le')]),
    },
  })

  test.each<[string, Tree, string]>([
    ['systemd-boot says so in LoaderInfo', loaderInfo('systemd-boot 252.39-1~deb12u2'), 'bls'],
    ['GRUB says so in LoaderInfo', loaderInfo('GRUB 2.12'), 'grub'],
    ['systemd-boot is installed', files('empty', '/boot/efi/EFI/systemd/systemd-bootx64.efi'), 'bls'],
    [
      'GRUB named its device',
      {
        ...files('empty', '/boot/efi/EFI/systemd/systemd-bootx64.efi'),
        '/proc/cmdline': { text: 'BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.1.0 root=/dev/sda1\n' },
      },
      'grub',
    ],
  ])('%s', (_, more, expected) => {
    expect(inCharge(more)).toBe(expected)
  })

  test('a BOOT_IMAGE without a device is no mark of GRUB', () => {
    const more = {
      ...files('empty', '/boot/efi/EFI/systemd/systemd-bootx64.efi'),
      '/proc/cmdline': { text: 'BOOT_IMAGE=/vmlinuz-6.1.0 root=/dev/sda1\n' },
    }
    expect(inCharge(more)).toBe('bls')
  })

  test('a boot loader whose menu is empty is not in charge', () => {
    expect(listOf([menu('grub', []), bls]).loaders.find((loader) => loader.inCharge)?.source).toBe('bls')
  })

  test('kernels in a directory are no boot loader: none is in charge, nothing is the default', () => {
    const { loaders, entries } = listOf([menu('boot-dir', [lying('6.1.0')])])
    expect(loaders.map((loader) => loader.inCharge)).toEqual([false])
    expect(entries.some(({ isDefault }) => isDefault)).toBe(false)
  })
})

describe('the running entry of several with its release', () => {
  const recovery = entry('6.1.0', { id: 'recovery', commandLine: 'root=/dev/sda1 ro single' })
  const running = (commandLine: string) =>
    listOf([menu('grub', [recovery, entry('6.1.0'), entry('6.12.0')], 1)], {
      '/proc/sys/kernel/osrelease': { text: '6.1.0\n' },
      '/proc/cmdline': { text: `${commandLine}\n` },
    }).entries.find(({ isRunning }) => isRunning)?.id

  test('is told by the command line', () => {
    expect(running('BOOT_IMAGE=/boot/vmlinuz-6.1.0 root=/dev/sda1 ro single')).toBe('recovery')
    expect(running('BOOT_IMAGE=/boot/vmlinuz-6.1.0 root=/dev/sda1 ro quiet')).toBe('6.1.0')
  })

  test('is else no recovery mode', () => {
    expect(running('root=/dev/sda1 something else')).toBe('6.1.0')
  })
})

test('what is only uncertain does not make an entry a broken one', () => {
  const unsure = entry('6.12.0', { uncertainties: ['It is shown only if the firmware is EFI.'] })
  const { entries } = listOf([menu('grub', [entry('6.1.0'), unsure])])
  expect(entries.find(({ isNewest }) => isNewest)).toMatchObject({
    id: '6.12.0',
    problems: ['It is shown only if the firmware is EFI.'],
  })
})

test('a missing kernel or initrd is told of every entry that names it', () => {
  const { entries } = listOf([menu('grub', [entry('6.6.0'), entry('6.6.0', { id: 'again' })])])
  for (const { problems, version } of entries) {
    expect(problems).toEqual(['/boot/vmlinuz-6.6.0 does not exist.', '/boot/initrd.img-6.6.0 does not exist.'])
    expect(version).toBe('6.6.0')
  }
})

test('a recovery mode of the newest kernel is not the newest while there is another', () => {
  const recovery = entry('6.12.0', { id: 'recovery', commandLine: 'root=/dev/sda1 ro single' })
  const newest = (entries: FoundEntry[]) => listOf([menu('grub', entries)]).entries.find(({ isNewest }) => isNewest)?.id
  expect(newest([recovery, entry('6.1.0')])).toBe('6.1.0')
  expect(newest([recovery])).toBe('recovery')
})

test('an entry that starts no Linux kernel is listed, and is never the newest', () => {
  const windows = entry('', {
    id: 'windows',
    title: 'Windows',
    kernel: null,
    initrds: [],
    commandLine: null,
    problems: [{ code: 'no-kernel', text: 'x' }],
  })
  const { entries } = listOf([menu('grub', [windows, entry('6.1.0')], 0)])
  expect(entries.map(({ id, isDefault, isNewest }) => [id, isDefault, isNewest])).toEqual([
    ['windows', true, false],
    ['6.1.0', false, true],
  ])
})
