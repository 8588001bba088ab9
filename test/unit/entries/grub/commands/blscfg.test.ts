import { describe, expect, test } from 'vitest'
import { compareFileVersions } from '../../../../../src/entries/grub/commands/file-version.ts'
import { peImage } from '../../bls/image.ts'
import { files, kernelOf, type Tree } from '../../tree.ts'
import { block, linux, menuOf } from '../menu.ts'

/** GRUB 2.14's own command is judged by the real GRUB, in scripts.test.ts; Debian has no GRUB with Red Hat's. */
const directory = '/loader/entries'

function type1(entries: Readonly<Record<string, string>>, at = directory): Tree {
  return Object.fromEntries(Object.entries(entries).map(([id, text]) => [`${at}/${id}.conf`, { text }]))
}

const kernel = 'linux /boot/vmlinuz-6.1.0\n'
const versions = type1({
  'ab-6.1.0-1': `title One\n${kernel}`,
  'ab-6.12.0-1': `title Twelve\n${kernel}`,
  'ab-6.2.0-1': `title Two\n${kernel}`,
})

async function titles(script: string, tree: Tree = versions): Promise<string[]> {
  return (await menuOf(script, tree)).entries.map(({ title }) => title)
}

describe("Red Hat's blscfg", () => {
  test.each([
    ['blscfg', ['Twelve', 'Two', 'One']],
    ['insmod blscfg\nblscfg', ['Twelve', 'Two', 'One']],
    ['bls_import', ['Twelve', 'Two', 'One']],
    ['set default=1\nblscfg default', ['Two']],
    ['set default=ab-6.1.0-1\nblscfg default', ['One']],
    ['set default=One\nblscfg default', ['One']],
    ['set default=1\nblscfg non-default', ['Twelve', 'One']],
    ['blscfg ab-6.2.0-1.conf', ['Two']],
    ['blscfg ($root)/loader/entries', ['Twelve', 'Two', 'One']],
    ['blscfg ($root)/loader/entries/ab-6.2.0-1.conf', ['Two']],
  ])('%s', async (script, expected) => {
    expect(await titles(script)).toEqual(expected)
  })

  test('lists nothing twice, whatever it is called with', async () => {
    expect(await titles('blscfg\nblscfg')).toEqual(['Twelve', 'Two', 'One'])
    const { entries } = await menuOf('set default=0\nblscfg default\nsubmenu Others {\nblscfg non-default\n}', versions)
    expect(entries.map(({ title, submenus, isDefault }) => [title, submenus, isDefault])).toEqual([
      ['Twelve', [], true],
      ['Two', ['Others'], false],
      ['One', ['Others'], false],
    ])
  })

  test('takes only .conf files', async () => {
    const other = { [`${directory}/ab-7.0.conf.bak`]: { text: `title Backup\n${kernel}` } }
    expect(await titles('blscfg', { ...versions, ...other })).toEqual(['Twelve', 'Two', 'One'])
  })

  test('looks in /boot/loader/entries where /loader/entries is not', async () => {
    expect(await titles('blscfg', type1({ a: `title A\n${kernel}` }, '/boot/loader/entries'))).toEqual(['A'])
  })

  const commandLine = async (options: string, before = '') =>
    (await menuOf(`${before}\nblscfg`, type1({ a: `${kernel}options ${options}\n` }))).entries[0]?.commandLine

  test.each([
    [`root=/dev/sda1 note="two words" plain='one word'`, 'root=/dev/sda1 "note=two words" "plain=one word"'],
    ['ro\noptions second=line', 'ro'],
    ['ro $tuned_params quiet', 'ro quiet'],
    ['ro $one quiet', 'ro 1 quiet'],
    ['ro $one/x quiet', 'ro 1 /x quiet'],
    ['$unset quiet', 'quiet'],
    // Nothing but a variable that is not set: then default_kernelopts count.
    ['$kernelopts', 'by default'],
    ['"open', undefined],
    ['a=1; echo b', 'a=1'],
    ['a=1 # comment', 'a=1'],
  ])('options %s', async (options, expected) => {
    const found = await commandLine(options, 'one=1\ndefault_kernelopts="by default"')
    expect(found ?? undefined).toBe(expected)
  })

  test('kernelopts of an environment block, with quotes', async () => {
    const { entries } = await menuOf('load_env\nblscfg', {
      ...type1({ a: `${kernel}options $kernelopts quiet\n` }),
      '/boot/grub/grubenv': block(`kernelopts=root=/dev/sda1 note="a b"\n`),
    })
    expect(entries[0]).toMatchObject({ commandLine: 'root=/dev/sda1 "note=a b" quiet', source: 'bls' })
  })

  test('a line without a value ends the file, and that is told when something is lost', async () => {
    const { entries, problems } = await menuOf('blscfg', type1({ a: `title A\n${kernel}\noptions lost\n` }))
    expect(entries[0]?.commandLine).toBe('')
    expect(problems).toEqual([
      '/loader/entries/a.conf:3: a line without a value, at which GRUB stops to read the file.',
    ])
    expect((await menuOf('blscfg', type1({ a: `title A\n${kernel}options x\n\n` }))).problems).toEqual([])
  })

  test('early initrds stand beside the first initrd, and variables are put into initrds', async () => {
    const tree: Tree = {
      ...type1({ a: `${kernel}initrd /boot/initrd.img-6.1.0 $tuned_initrd\n` }),
      ...files('initrd', '/boot/early.cpio', '/boot/tuned.img'),
    }
    const { entries } = await menuOf('early_initrd=early.cpio\ntuned_initrd=/boot/tuned.img\nblscfg', tree)
    expect(entries[0]?.initrds).toEqual(['/boot/early.cpio', '/boot/initrd.img-6.1.0', '/boot/tuned.img'])
  })

  test('a device tree, by its key or by the variable', async () => {
    const tree = { ...type1({ a: kernel, b: `${kernel}devicetree /boot/$board.dtb\n` }), '/boot/x.dtb': { text: 'd' } }
    const { entries } = await menuOf('devicetree=x.dtb\nboard=x\nblscfg', tree)
    expect(entries.map(({ id, deviceTree }) => [id, deviceTree])).toEqual([
      ['b', '/boot/x .dtb'.replace(' .dtb', '')],
      ['a', '/boot/x.dtb'],
    ])
  })

  test('what is wrong with the script that a file makes, is said of the file', async () => {
    const { problems } = await menuOf('blscfg', type1({ a: `${kernel}options "open\n` }))
    expect(problems).toEqual([
      expect.stringMatching(/^.loader.entries.a.conf, which GRUB runs as a script:1: a quote " that is never closed/),
    ])
  })
})

test("GRUB 2.14's is meant where it has options, its module is asked for, or lies beside the configuration", async () => {
  const tree = { ...type1({ a: `title A\n${kernel}`, '.b': `title B\n${kernel}` }) }
  // Red Hat's passes over names that begin with a dot.
  expect(await titles('blscfg', tree)).toEqual(['A'])
  for (const script of ['blscfg --path /loader/entries', 'blscfg -f', 'insmod blsuki\nblscfg'])
    expect(await titles(script, tree)).toEqual(['A', 'B'])
  expect(await titles('blscfg', { ...tree, '/boot/grub/x86_64-efi/blsuki.mod': { text: '' } })).toEqual(['A', 'B'])
})

test.each([
  [['a-1.conf', 'a-2.conf', 'a-10.conf']],
  [['.a', 'a']],
  [['6.1~rc1.conf', '6.1.conf', '6.1-1.conf', '6.1.1.conf']],
  [['a.conf', 'a1.conf', 'ab.conf', 'a-.conf']],
  [['x.a', 'x.b']],
])('the order of file names: %j', (names) => {
  expect([...names].reverse().sort(compareFileVersions)).toEqual(names)
})

describe('uki', () => {
  const image = (name: string, release: string) => ({
    file: peImage({
      sections: [
        ['.osrel', `PRETTY_NAME=${name}\nID=x\n`],
        ['.cmdline', 'root=LABEL=own'],
        ['.linux', kernelOf(release)],
      ],
    }),
  })
  const esp: Tree = {
    '/etc/fstab': { text: '/dev/sda2 / ext4 x 0 1\n/dev/sda1 /efi vfat x 0 2\n' },
    '/efi/EFI/Linux/a-6.1.efi': image('Older', '6.1.0'),
    '/efi/EFI/Linux/a-6.12.efi': image('Newer', '6.12.0'),
    '/efi/EFI/other/b-6.1.efi': image('Other', '6.1.0'),
    '/efi/EFI/Linux/tool.efi': { file: peImage({ sections: [['.text', 'x']] }) },
    ...files('directory', '/sys/firmware/efi'),
  }

  test('the unified kernel images of the system partition, newest first, and each once', async () => {
    const { entries } = await menuOf(`insmod blsuki\nuki\nmenuentry other { ${linux} }`, esp)
    expect(entries.map(({ id, title, kernel: path, commandLine }) => [id, title, path, commandLine])).toEqual([
      ['a-6.12.efi', 'Newer', '/efi/EFI/Linux/a-6.12.efi', 'root=LABEL=own'],
      ['a-6.1.efi', 'Older', '/efi/EFI/Linux/a-6.1.efi', 'root=LABEL=own'],
      ['other', 'other', '/boot/vmlinuz-6.1.0', ''],
    ])
    expect(entries[0]).toMatchObject({ problems: [], isDefault: true, version: '6.12.0' })
  })

  test.each([
    ['uki --path (hd0,gpt1)/EFI/Linux --entry a-6.1.efi', ['Older']],
    ['uki --path /nowhere', []],
    ['uki --path /nowhere --enable-fallback', ['Newer', 'Older']],
    ['default=1\nuki -n', ['Newer']],
    ['uki --path (hd0,gpt1)/EFI/Linux --enable-fallback --entry a-6.1.efi', ['Older']],
    ['uki -f -p (hd0,gpt1)/EFI/other', ['Other']],
    ['uki --unheard-of', []],
    ['uki -n.x', []],
  ])('%s', async (script, expected) => {
    expect(await titles(script, esp)).toEqual(expected)
  })

  test('not on a machine with BIOS', async () => {
    const { '/sys/firmware/efi': _, ...bios } = esp
    expect(await titles('uki', { ...bios, '/sys/firmware/dmi/x': { text: '' } })).toEqual([])
  })
})
