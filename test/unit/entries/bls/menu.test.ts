import { describe, expect, test } from 'vitest'
import { plan } from '../../../../src/index.ts'
import { files, kernels, makeTree, type Tree } from '../tree.ts'
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
      commandLine: 'root=/dev/sda2 rw quiet',
      isDefault: true,
      problems: [],
    },
    { id: 'arch-lts.conf', title: 'Arch Linux (lts)', isDefault: false, problems: [] },
  ])
})

test('without options the command line is empty', async () => {
  const tree = { ...type1('', { a: 'linux /vmlinuz-6.1.0' }), ...kernels('', 'vmlinuz-', '6.1.0') }
  expect((await menuOf(tree)).entries).toMatchObject([{ id: 'a.conf', title: 'a.conf', commandLine: '', problems: [] }])
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

  test('waits for a key by menu-force, which a variable may say or take back', async () => {
    const waits = async (conf: string, variables: Readonly<Record<string, string>> = {}) => {
      const tree = { ...arch, '/efi/loader/loader.conf': { text: conf }, ...loaderVariables(variables) }
      return (await menuOf(tree)).loaders[0]?.waits
    }
    for (const conf of ['', 'timeout 3\n', 'timeout 0\n', 'timeout menu-hidden\n', 'timeout menu-force\ntimeout 5\n'])
      expect(await waits(conf), conf).toBe(null)
    const forced = (timeout: string) =>
      `timeout is ${timeout} in /efi/loader/loader.conf, so systemd-boot waits for a key`
    for (const timeout of ['menu-force', '4294967295'])
      expect(await waits(`timeout ${timeout}\n`)).toBe(forced(timeout))
    expect(await waits('timeout menu-force\ntimeout Menu-Hidden\n')).toBe(forced('menu-force'))
    const variable = (name: string) => `the EFI variable ${name} makes systemd-boot wait for a key`
    const [once, every] = ['LoaderConfigTimeoutOneShot', 'LoaderConfigTimeout'] as const
    for (const value of ['menu-force', '4294967295'])
      expect(await waits('timeout 3\n', { [every]: value }), value).toBe(variable(every))
    expect(await waits('timeout menu-force\n', { [every]: '0' })).toBe(null)
    for (const value of ['0', 'menu-hidden', 'menu-force'])
      expect(await waits('timeout 3\n', { [every]: '3', [once]: value }), value).toBe(variable(once))
    expect(await waits('timeout menu-force\n', { [once]: '7' })).toBe(null)
  })

  describe('that names an entry without .conf', () => {
    const conf = { '/efi/loader/loader.conf': { text: 'default arch-lts\n' } }
    const full = { '/efi/loader/loader.conf': { text: 'default arch-lts.conf\n' } }
    const info = (text: string) => loaderVariables({ LoaderInfo: text })

    test('is taken where nothing tells the release of systemd-boot', async () => {
      expect(await chosen(conf)).toEqual(['arch-lts.conf', 'default in /efi/loader/loader.conf names it without .conf'])
    })

    test('is the first entry for releases from 245 on, and the named one for those before', async () => {
      expect((await chosen({ ...conf, ...info('systemd-boot 252.39-1') }))[0]).toBe('arch.conf')
      expect((await chosen({ ...conf, ...info('systemd-boot 244') }))[0]).toBe('arch-lts.conf')
      expect((await chosen({ ...full, ...info('systemd-boot 245') }))[0]).toBe('arch-lts.conf')
      expect((await chosen({ ...full, ...info('systemd-boot 244') }))[0]).toBe('arch.conf')
    })

    test("is the named one for Pop!_OS's", async () => {
      const pop = info('systemd-boot 249.11-0ubuntu3.12pop0~1700000000~22.04~abcdef0')
      expect((await chosen({ ...conf, ...pop }))[0]).toBe('arch-lts.conf')
      expect((await chosen({ ...full, ...pop }))[0]).toBe('arch-lts.conf')
    })
  })

  describe('that names no entry where the first is for repairs', () => {
    const tree: Tree = {
      ...type1('/efi', {
        'Pop_OS-current': 'linux /vmlinuz-linux\noptions root=/dev/sda2',
        'Recovery-A1B2': 'title Recovery\nlinux /vmlinuz-linux\noptions boot=casper',
      }),
      '/efi/vmlinuz-linux': { kernel: '6.9.1-arch1-1' },
      '/efi/loader/loader.conf': { text: 'default Pop_OS-gone\n' },
    }

    test('is not guessed: a plan without an entry is refused with the candidates', async () => {
      const { entries, loaders } = await menuOf(tree)
      expect(entries.some(({ isDefault }) => isDefault)).toBe(false)
      expect(loaders[0]?.undecided).toMatch(
        /'Pop_OS-gone' of default in .* names no entry, and the first .* is for repairs/,
      )
      const root = makeTree(tree)
      await expect(plan({ root })).rejects.toMatchObject({
        reason: 'ambiguous-entry',
        hint: 'Correct it, or load one of: Pop_OS-current.conf.',
      })
      using named = await plan({ root, entry: 'newest' })
      expect(named.decisions[0]?.choice).toBe('/efi/vmlinuz-linux')
    })

    test('is the first for a release of systemd-boot that is known, and is told', async () => {
      const { entries, loaders, problems } = await menuOf({
        ...tree,
        ...loaderVariables({ LoaderInfo: 'systemd-boot 257' }),
      })
      expect(entries.find(({ isDefault }) => isDefault)?.id).toBe('Recovery-A1B2.conf')
      expect(loaders[0]?.undecided).toBe(null)
      expect(problems).toEqual([expect.stringContaining("default 'Pop_OS-gone' names no entry of the menu")])
    })

    test('in the EFI variable is told as well', async () => {
      const { loaders, problems } = await menuOf({ ...tree, ...loaderVariables({ LoaderEntryDefault: 'gone.conf' }) })
      expect(loaders[0]?.undecided).toMatch(/'gone\.conf' of the EFI variable LoaderEntryDefault/)
      expect(problems[0]).toMatch(/LoaderEntryDefault is 'gone\.conf', which names no entry/)
    })
  })

  test('that names no entry is told, with what was meant; what the kernel leaves in OneShot is not', async () => {
    const conf = { '/efi/loader/loader.conf': { text: '# ours\ndefault arch-lts\n' } }
    const { entries, problems } = await menuOf({
      ...arch,
      ...conf,
      ...loaderVariables({ LoaderEntryOneShot: 'kexec reboot' }),
    })
    expect(entries.find(({ isDefault }) => isDefault)?.id).toBe('arch-lts.conf')
    expect(problems).toEqual([
      "/efi/loader/loader.conf:2: default 'arch-lts' names no entry of the menu; 'arch-lts.conf' would.",
    ])
  })
})
