import { describe, expect, test } from 'vitest'
import { files, kernels, type Tree } from '../tree.ts'
import { loaderVariables, menuOf, type1 } from './tree.ts'

/** Two kernels on an ESP that is mounted at /efi, as on Arch. */
const arch: Tree = {
  ...type1('/efi', {
    arch: 'title Arch Linux\nlinux /vmlinuz-linux\ninitrd /amd-ucode.img\ninitrd /initramfs-linux.img\noptions root=/dev/sda2\noptions rw quiet\n',
    'arch-lts':
      'title Arch Linux (lts)\nlinux /vmlinuz-linux-lts\ninitrd /initramfs-linux-lts.img\noptions root=/dev/sda2 rw\n',
  }),
  '/efi/vmlinuz-linux': { kernel: '6.11.5-arch1-1' },
  '/efi/vmlinuz-linux-lts': { kernel: '6.6.58-1-lts' },
  ...files('initrd', '/efi/amd-ucode.img', '/efi/initramfs-linux.img', '/efi/initramfs-linux-lts.img'),
}

test('repeated initrd and options keys add up, and paths are those of the partition', async () => {
  const { entries } = await menuOf(arch)
  expect(entries).toMatchObject([
    {
      id: 'arch.conf',
      title: 'Arch Linux',
      source: 'bls',
      config: '/efi/loader/entries/arch.conf',
      version: '6.11.5-arch1-1',
      kernel: '/efi/vmlinuz-linux',
      initrds: ['/efi/amd-ucode.img', '/efi/initramfs-linux.img'],
      cmdline: 'root=/dev/sda2 rw quiet',
      isDefault: true,
      problems: [],
    },
    { id: 'arch-lts.conf', title: 'Arch Linux (lts)', isDefault: false, problems: [] },
  ])
})

test('without options the command line is empty', async () => {
  const tree = { ...type1('', { a: 'linux /vmlinuz-6.1.0' }), ...kernels('', 'vmlinuz-', '6.1.0') }
  expect((await menuOf(tree)).entries).toMatchObject([{ id: 'a.conf', title: 'a.conf', cmdline: '', problems: [] }])
})

describe('the default', () => {
  const chosen = async (tree: Tree) => {
    const { entries, loaders } = await menuOf({ ...arch, ...tree })
    return [entries.find(({ isDefault }) => isDefault)?.id, loaders[0]?.reason]
  }

  test('is the first entry when nothing names one', async () => {
    expect(await chosen({})).toEqual(['arch.conf', expect.stringMatching(/first of the menu/)])
  })

  test('is what a pattern in loader.conf matches', async () => {
    const conf = { '/efi/loader/loader.conf': { text: 'timeout 3\ndefault ARCH-[a-l]ts.*\n' } }
    expect(await chosen(conf)).toEqual(['arch-lts.conf', 'default in /efi/loader/loader.conf names it'])
  })

  test('is what EFI variables name before that, once or for long', async () => {
    const conf = { '/efi/loader/loader.conf': { text: 'default arch.conf\n' } }
    const saved = loaderVariables({ LoaderEntryDefault: 'arch-lts.conf', LoaderEntryOneShot: 'kexec reboot' })
    expect(await chosen({ ...conf, ...saved })).toEqual([
      'arch-lts.conf',
      'the EFI variable LoaderEntryDefault names it',
    ])
    const once = loaderVariables({ LoaderEntryDefault: 'arch.conf', LoaderEntryOneShot: 'arch-lts.conf' })
    expect(await chosen(once)).toEqual(['arch-lts.conf', 'the EFI variable LoaderEntryOneShot names it'])
  })

  test('is what was booted last, for @saved', async () => {
    const conf = { '/efi/loader/loader.conf': { text: 'default @saved\n' } }
    expect(await chosen({ ...conf, ...loaderVariables({ LoaderEntryLastBooted: 'arch-lts.conf' }) })).toEqual([
      'arch-lts.conf',
      expect.stringMatching(/booted last/),
    ])
    expect(await chosen(conf)).toEqual(['arch.conf', expect.anything()])
  })

  test('that names no entry is told, with what was meant; what the kernel leaves in OneShot is not', async () => {
    const conf = { '/efi/loader/loader.conf': { text: '# ours\ndefault arch-lts\n' } }
    const { entries, problems } = await menuOf({
      ...arch,
      ...conf,
      ...loaderVariables({ LoaderEntryOneShot: 'kexec reboot' }),
    })
    expect(entries[0]).toMatchObject({ id: 'arch.conf', isDefault: true })
    expect(problems).toEqual([
      "/efi/loader/loader.conf:2: default 'arch-lts' names no entry of the menu; 'arch-lts.conf' would.",
    ])
  })
})
