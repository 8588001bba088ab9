import { describe, expect, test } from 'vitest'
import { parseType1 } from '../../../../src/entries/bls/type1.ts'
import { matchesGlob } from '../../../../src/entries/names/glob.ts'
import { fixtureSystem } from '../fixtures.ts'
import { readSentences } from '../sentences.ts'
import { files, identify, kernels, type Tree } from '../tree.ts'
import { loaderVariables, menuOf, type1 } from './tree.ts'

const linux = { '/efi/linux': { kernel: '6.1.0' } } as const

async function entryOf(text: string, more: Tree = {}) {
  const { entries } = await menuOf({ ...type1('/efi', { a: text }), ...linux, ...more })
  return entries[0]
}

describe('the file', () => {
  test.each([
    ['blanks around', ' \ttitle \t A  b\t \n', 'A  b'],
    ['a carriage return', 'title A b\r\nlinux /linux\r\n', 'A b'],
    ['only carriage returns', 'title A b\rlinux /linux', 'A b'],
    ['a sign within', 'title A # b', 'A # b'],
    ['the last counts', 'title A\ntitle B', 'B'],
    ['a comment', '#title A\n # title B\ntitle C', 'C'],
    ['what comes after NUL', 'title A\n\0title B', 'A'],
    ['another key', 'Title A\ntitles B\ntitle C', 'C'],
    ['an empty value', 'title A\ntitle\ntitle  ', 'A'],
  ])('%s', (_name, text, title) => {
    expect(parseType1(text).get('title')?.at(-1)).toBe(title)
  })

  test('systemd-boot takes off the quotes around a value, and only those', async () => {
    const entry = await entryOf('title "A b"\nlinux /linux\noptions \'root=/dev/sda2 x="1 2"\'\noptions "a" b')
    expect(entry).toMatchObject({ title: 'A b', commandLine: 'root=/dev/sda2 x="1 2" "a" b' })
  })

  test('a byte order mark spoils the first key', async () => {
    const entry = await entryOf('\uFEFFtitle A\nlinux /linux\n')
    expect(entry).toMatchObject({ title: 'a.conf', problems: [expect.stringMatching(/byte order mark/)] })
  })
})

describe('what systemd-boot does not show is listed with the reason, and is no default', () => {
  test.each([
    ['no kernel', 'title Z\noptions quiet\n', /names nothing to start/],
    ['two of them', 'title Z\nlinux /linux\nefi /x.efi\n', /both linux and efi/],
    ['a kernel that is absent', 'title Z\nlinux /absent\n', /^\/efi\/absent does not exist\.$/],
    ['another architecture', 'title Z\nlinux /linux\narchitecture aa64\n', /is for aarch64.*on x86_64/],
  ])('%s', async (_name, text, sentence) => {
    const { entries, loaders } = await menuOf({ ...type1('/efi', { z: text, a: 'linux /linux' }), ...linux })
    expect(entries).toMatchObject([
      { id: 'z.conf', isDefault: false, problems: [expect.stringMatching(sentence)] },
      { id: 'a.conf', isDefault: true, problems: [] },
    ])
    expect(loaders[0]).toMatchObject({ default: 'a.conf' })
  })

  test('what the boot loader is for counts more than the kernels', async () => {
    const { entries } = await menuOf({
      ...type1('/efi', { b: 'linux /linux\narchitecture X64\n', a: 'linux /linux\narchitecture AA64\n' }),
      ...linux,
      '/efi/EFI/systemd/systemd-bootaa64.efi': 'empty',
    })
    expect(entries.map(({ id, isDefault }) => [id, isDefault])).toEqual([
      ['b.conf', false],
      ['a.conf', true],
    ])
  })
})

test('a device tree is mapped; overlays are said not to be applied', async () => {
  const entry = await entryOf('linux /linux\ndevicetree /dtb/board.dtb\ndevicetree-overlay /o/a.dtbo /o/b.dtbo\n', {
    '/efi/dtb/board.dtb': { text: 'x' },
  })
  expect(entry).toMatchObject({ deviceTree: '/efi/dtb/board.dtb', problems: [expect.stringMatching(/overlay/)] })
})

test('of entries without tries left none is preferred, but the default may name one', async () => {
  const tree = { ...type1('/efi', { 'new+0-3': 'linux /linux', 'old+1': 'linux /linux' }), ...linux }
  const chosen = async (more: Tree) => (await menuOf({ ...tree, ...more })).loaders[0]?.default
  const conf = (text: string) => ({ '/efi/loader/loader.conf': { text } })
  expect(await chosen({})).toBe('old.conf')
  expect(await chosen(conf('preferred new*\n'))).toBe('old.conf')
  expect(await chosen(conf('default new*\n'))).toBe('new.conf')
  expect(await chosen(loaderVariables({ LoaderEntryPreferred: 'new.conf' }))).toBe('old.conf')
  expect(await chosen({ ...conf('default new*\n'), ...loaderVariables({ LoaderEntryPreferred: 'old.conf' }) })).toBe(
    'old.conf',
  )
})

describe('one directory by several names is read once', () => {
  const esp = { ...type1('/boot', { a: 'linux /vmlinuz-6.1.0' }), ...kernels('/boot', 'vmlinuz-', '6.1.0') }
  const partition = { ...type1('', { a: 'linux /vmlinuz-6.1.0' }), ...kernels('', 'vmlinuz-', '6.1.0') }
  test.each<[string, Tree, string]>([
    ['/efi is a link to /boot', { ...esp, '/efi': { link: 'boot' } }, '/boot/vmlinuz-6.1.0'],
    ['a partition with boot -> .', { ...partition, '/boot': { link: '.' } }, '/vmlinuz-6.1.0'],
    [
      'loader is a link, as ostree makes it',
      {
        '/boot/loader': { link: 'loader.0' },
        '/boot/loader.0/entries/a.conf': { text: 'linux /vmlinuz-6.1.0' },
        ...kernels('/boot', 'vmlinuz-', '6.1.0'),
      },
      '/boot/vmlinuz-6.1.0',
    ],
  ])('%s', async (_name, tree, kernel) => {
    const { entries } = await menuOf(tree)
    expect(entries).toMatchObject([{ id: 'a.conf', kernel, problems: [] }])
  })
})

describe('variables, which are for GRUB', () => {
  test('come from grubenv, and an unset one leaves nothing', async () => {
    const { entries } = await readSentences({ system: fixtureSystem('fedora-kernelopts'), identify })
    const [newest, running, rescue] = entries
    const commandLine = 'root=/dev/mapper/fedora-root ro rd.lvm.lv=fedora/root rhgb quiet isolcpus=2,3'
    expect(newest).toMatchObject({
      version: '6.11.5-300.fc41.x86_64',
      initrds: ['/boot/initramfs-6.11.5-300.fc41.x86_64.img'],
      commandLine,
      problems: [],
    })
    expect(running).toMatchObject({ version: '6.9.12-200.fc41.x86_64', isDefault: true, problems: [] })
    expect(rescue).toMatchObject({ commandLine, kernel: expect.stringMatching(/vmlinuz-0-rescue/) })
  })

  test('may be set in grub.cfg instead', async () => {
    const entry = await entryOf(`linux /linux\noptions $kernelopts \${extra} $none\n`, {
      '/boot/grub2/grub.cfg': {
        text: 'if [ -z "$kernelopts" ]; then\n  set kernelopts="root=/dev/sda3 ro "\nfi\nset extra=quiet\nset none="$other"\n',
      },
    })
    expect(entry).toMatchObject({
      commandLine: 'root=/dev/sda3 ro quiet',
      problems: [expect.stringMatching(/has \$none, which is left out/)],
    })
  })

  test('that nothing sets are told', async () => {
    expect(await entryOf('linux /linux\noptions ro $kernelopts\n')).toMatchObject({
      commandLine: 'ro',
      problems: [expect.stringMatching(/\$kernelopts/)],
    })
  })
})

test('to systemd-boot a $ is a text like any other, and an initrd line names one file', async () => {
  const entry = await entryOf('linux /linux\ninitrd /a /b\noptions ro $kernelopts x=$y\n', {
    '/boot/loader/loader.conf': { text: 'timeout 1\n' },
    '/boot/grub2/grubenv': { text: '# GRUB Environment Block\nkernelopts=root=/dev/sda3\n' },
  })
  expect(entry).toMatchObject({ commandLine: 'ro $kernelopts x=$y' })
  expect(entry?.initrds).toHaveLength(1)
})

test('extra files for an image are told, and leave the entry sound', async () => {
  const entry = await entryOf('linux /linux\nextra /a.addon.efi\nextra /b.cred\n')
  expect(entry?.problems).toEqual([expect.stringContaining('not loaded: /a.addon.efi, /b.cred.')])
  expect(entry).toMatchObject({ isNewest: true })
})

test('a unified kernel image from the network is told as such', async () => {
  expect(await entryOf('uki-url https://example.org/a.efi\n')).toMatchObject({
    kernel: null,
    problems: [expect.stringContaining('not local')],
  })
})

test('/run/boot-loader-entries takes the place of an ESP, even where /run is a file system of its own', async () => {
  const { entries } = await menuOf({
    ...type1('/run/boot-loader-entries', {
      nixos: 'linux /nixos/kernel\ninitrd /nixos/initrd\noptions root=LABEL=nixos',
    }),
    '/run/boot-loader-entries/nixos/kernel': { kernel: '6.6.63' },
    '/run/boot-loader-entries/nixos/initrd': 'initrd',
    '/proc/self/mountinfo': { text: '30 1 8:2 / / rw - ext4 /dev/sda2 rw\n31 30 0:20 / /run rw - tmpfs tmpfs rw\n' },
    '/dev/disk/by-uuid/1234': { link: '../../sda2' },
  })
  expect(entries).toMatchObject([
    {
      kernel: '/run/boot-loader-entries/nixos/kernel',
      initrds: ['/run/boot-loader-entries/nixos/initrd'],
      commandLine: 'root=LABEL=nixos',
      problems: [],
    },
  ])
})

test('of two files of one id the one with fewer tries done comes first, where as many are left', async () => {
  const { entries } = await menuOf({
    ...type1('/boot', { 'a+2-1': 'title tried\nlinux /linux\n', 'a+2': 'title fresh\nlinux /linux\n' }),
    '/boot/linux': { kernel: '6.1.0' },
  })
  expect(entries.map(({ config }) => config)).toEqual([
    '/boot/loader/entries/a+2.conf',
    '/boot/loader/entries/a+2-1.conf',
  ])
})

test('several initrds in one line, as GRUB takes them', async () => {
  const entry = await entryOf('linux /linux\ninitrd /a.img /b.img\n', files('initrd', '/efi/a.img', '/efi/b.img'))
  expect(entry).toMatchObject({ initrds: ['/efi/a.img', '/efi/b.img'], problems: [] })
})

test('what systemd-boot finds by itself ends its menu', async () => {
  const tree = {
    ...type1('/efi', { a: 'linux /linux' }),
    ...linux,
    '/efi/loader/loader.conf': { text: 'timeout 0\n' },
    '/efi/EFI/Microsoft/Boot/bootmgfw.efi': 'empty',
  } as const
  expect((await menuOf(tree)).entries).toMatchObject([
    { id: 'a.conf', isDefault: true },
    { id: 'auto-windows', title: 'Windows Boot Manager', kernel: null, problems: [expect.stringMatching(/bootmgfw/)] },
  ])
  const off = { ...tree, '/efi/loader/loader.conf': { text: 'auto-entries no\n' } }
  expect((await menuOf(off)).entries).toHaveLength(1)
})

test('patterns', () => {
  const matching = ['a*b?[c-e].conf', '*', 'A*B*C.CONF', 'axxb1c.conf', '\\a*', '*[.]*', '**c**']
  for (const pattern of matching) expect(matchesGlob(pattern, 'axxb1c.conf'), pattern).toBe(true)
  const others = ['', '?', 'a*b?[f-h].conf', 'a[', 'a\\', 'axxb1c.con', 'xxb1c.conf']
  for (const pattern of others) expect(matchesGlob(pattern, 'axxb1c.conf'), pattern).toBe(false)
})

test('hostile files are read to their end, and hide nothing', async () => {
  const long = 'x '.repeat(3_000_000)
  const { entries } = await menuOf({
    ...type1('/efi', {
      a: 'linux /linux',
      long: `linux /linux\noptions ${long}\n`,
      dollars: `linux /linux\noptions ${'$'.repeat(1_000_000)}${'${'.repeat(500_000)}\n`,
      blanks: `linux${' '.repeat(2_000_000)}/linux\ninitrd ${'\t'.repeat(2_000_000)}\n`,
      stars: 'linux /linux',
      up: 'linux /../../../../../../etc/passwd\ninitrd ../../../etc/shadow\n',
    }),
    '/efi/loader/entries/noise.conf': {
      file: Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * i * 31) & 255)),
    },
    '/efi/loader/entries/directory.conf': 'directory',
    '/efi/loader/entries/fifo.conf': 'fifo',
    '/efi/loader/entries/.hidden.conf': { text: 'linux /linux' },
    '/efi/loader/entries/auto-x.conf': { text: 'linux /linux' },
    '/efi/loader/loader.conf': { text: `default ${'*a'.repeat(50_000)}\n${'\0'}` },
    ...linux,
  })
  const ids = entries.map(({ id }) => id).sort()
  expect(ids).toEqual(expect.arrayContaining(['a.conf', 'blanks.conf', 'dollars.conf', 'long.conf', 'up.conf']))
  expect(ids.filter((id) => /hidden|auto-|directory/.test(id))).toEqual([])
  expect(entries.find(({ id }) => id === 'long.conf')?.commandLine).toHaveLength(long.trimEnd().length)
  expect(entries.find(({ id }) => id === 'up.conf')).toMatchObject({ kernel: expect.stringMatching(/etc\/passwd$/) })
})
