import { describe, expect, test } from 'vitest'
import { System } from '../../../../src/system/system.ts'
import { loaderVariables } from '../bls/tree.ts'
import { readSentences, type SentencedLoader } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders } = await readSentences({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'limine') as SentencedLoader
  return { entries: entries.filter(({ source }) => source === 'limine'), loader }
}

const boot: Tree = {
  ...kernels('/boot', 'vmlinuz-', '6.6.1', '6.12.1'),
  ...files('initrd', '/boot/initramfs.img', '/boot/ucode.img'),
}

const conf = `# version 8 and later
timeout: 5
default_entry: 3
\${ROOT}=root=UUID=7a5e rw

/Old
    protocol: linux
    kernel_path: boot():/vmlinuz-6.6.1
    kernel_cmdline: \${ROOT} single
/+Arch Linux
    comment: a directory
//linux
    protocol: linux
    path: boot():/vmlinuz-6.12.1#0123456789abcdef
    module_path: boot():/ucode.img
    module_path: $boot():/initramfs.img
    cmdline: \${ROOT} quiet loglevel=3
//Snapshots
///one
    protocol: linux
    path: boot():/vmlinuz-6.6.1
    cmdline: arch=\${ARCH}
/Windows
    protocol: efi
    path: boot():/EFI/Microsoft/Boot/bootmgfw.efi
`

test('limine.conf: directories, macros, several modules, the default', async () => {
  const { entries, loader } = await menuOf({
    ...boot,
    '/boot/limine/limine.conf': { text: conf },
    '/etc/fstab': { text: 'UUID=7a5e / ext4 rw 0 1\nUUID=AAAA-BBBB /boot vfat rw 0 2\n' },
  })
  expect(entries).toMatchObject([
    { id: 'Old', kernel: '/boot/vmlinuz-6.6.1', commandLine: 'root=UUID=7a5e rw single', problems: [] },
    {
      id: 'Arch Linux/linux',
      title: 'linux',
      submenus: ['Arch Linux'],
      kernel: '/boot/vmlinuz-6.12.1',
      initrds: ['/boot/ucode.img', '/boot/initramfs.img'],
      commandLine: 'root=UUID=7a5e rw quiet loglevel=3',
      isDefault: true,
      problems: [],
    },
    {
      title: 'one',
      submenus: ['Arch Linux', 'Snapshots'],
      problems: [expect.stringContaining('Only Limine knows what')],
    },
    { title: 'Windows', kernel: null, problems: [expect.stringContaining('bootmgfw.efi, not a Linux kernel')] },
  ])
  expect(loader.reason).toBe('default_entry 3 in /boot/limine/limine.conf names it')
})

test('a closed directory is one line of the menu; without default_entry the first line counts', async () => {
  const text =
    '/Directory\n//a\nprotocol: linux\npath: boot():/vmlinuz-6.6.1\n//b\n/Last\nprotocol: linux\npath: boot():/vmlinuz-6.12.1\n'
  const defaultOf = async (head: string) =>
    (await menuOf({ ...boot, '/boot/limine.conf': { text: head + text } })).loader.default
  expect(await defaultOf('')).toBe('Directory/a')
  expect(await defaultOf('default_entry: 2\n')).toBe('Last')
  expect(await defaultOf('default_entry: 9\n')).toBe('Directory/a')
})

describe('what Limine selects', () => {
  const linux = (path: string) => `protocol: linux\npath: boot():/${path}\n`
  const text = `/One
${linux('vmlinuz-6.6.1')}if_fw_type: BIOS
/Two
${linux('vmlinuz-6.12.1')}/+Open
//Same
${linux('vmlinuz-6.6.1')}cmdline: a
//Same
${linux('vmlinuz-6.6.1')}cmdline: b
/Closed
//In/side
${linux('vmlinuz-6.6.1')}cmdline: c
/Firmware of old
protocol: bios
`
  const selection = async (head: string, tree: Tree = {}) => {
    const { entries, loader } = await menuOf({ ...boot, '/boot/limine.conf': { text: head + text }, ...tree })
    const chosen = entries.find(({ isDefault }) => isDefault)
    return [chosen?.title, chosen?.commandLine, loader.reason]
  }
  const efi: Tree = { '/sys/firmware/efi/efivars/none': { text: '' } }
  const lastBooted = (content: Buffer): Tree => ({
    '/sys/firmware/efi/efivars/LimineLastBootedEntry-513ee0d0-6e43-cb05-b272-f146a2fcb88a': {
      file: Buffer.concat([Buffer.from([7, 0, 0, 0]), content]),
    },
  })

  test('a number counts the lines that this firmware shows', async () => {
    expect((await selection('default_entry: 2\n'))[0]).toBe('Two')
    expect((await selection('default_entry: 2\n', efi))[0]).toBe('Same')
    expect((await selection('default_entry: 0\n', efi))[0]).toBe('Two')
    const past = 'default_entry 7 in /boot/limine.conf names none: the first line of the menu'
    expect(await selection('default_entry: 7\n', efi)).toEqual(['Two', '', past])
  })

  test('a path, with the number of siblings of one name', async () => {
    expect((await selection('default_entry: Open/Same#1\n')).slice(0, 2)).toEqual(['Same', 'b'])
    expect((await selection('default_entry: Open/Same\n')).slice(0, 2)).toEqual(['Same', 'a'])
    expect((await selection('default_entry: Closed/In\\/side\n')).slice(0, 2)).toEqual(['In/side', 'c'])
    expect((await selection('default_entry: Open/Gone\n'))[0]).toBe('One')
  })

  test('the first value counts', async () => {
    expect((await selection('default_entry: Open/Same\ndefault_entry: Two\n'))[0]).toBe('Same')
  })

  test('what was booted last, where it is remembered', async () => {
    const head = 'remember_last_entry: yes\ndefault_entry: 1\n'
    expect((await selection(head, lastBooted(Buffer.from('Open/Same#1\0')))).slice(0, 2)).toEqual(['Same', 'b'])
    expect((await selection(head, lastBooted(Buffer.from('Gone\0'))))[0]).toBe('Two')
    const number = Buffer.alloc(8)
    number.writeUInt32LE(2)
    expect(await selection(head, lastBooted(number))).toEqual([
      'Same',
      'a',
      'remember_last_entry is set in /boot/limine.conf and it was booted last',
    ])
    expect((await selection('default_entry: 1\n', lastBooted(number)))[0]).toBe('Two')
  })

  test('where the variable cannot be seen, what was booted last is unknown', async () => {
    const doubts = async (head: string, tree: Tree) =>
      (await menuOf({ ...boot, '/boot/limine.conf': { text: head + text }, ...tree })).loader.problems
    const hidden: Tree = { '/sys/firmware/efi/efivars': 'directory' }
    const head = 'remember_last_entry: yes\ndefault_entry: 1\n'
    const doubt = 'Which entry Limine booted last is unknown: its EFI variable cannot be seen.'
    expect(await doubts(head, hidden)).toContain(doubt)
    expect(await doubts(head, efi)).not.toContain(doubt)
    expect(await doubts('default_entry: 1\n', hidden)).not.toContain(doubt)
  })

  test('newer releases may follow another choice, in variables of the Boot Loader Interface', async () => {
    const doubts = async (head: string, variables: Readonly<Record<string, string>>) =>
      (await menuOf({ ...boot, '/boot/limine.conf': { text: head + text }, ...loaderVariables(variables) })).loader
        .problems
    const head = 'default_entry: 2\n'
    const doubt = (name: string) =>
      `The EFI variable ${name} may choose another entry: newer releases of Limine follow it.`
    expect(await doubts(head, { LoaderEntryOneShot: 'kexec reboot', LoaderEntryDefault: 'Open/Same' })).toEqual([])
    expect(await doubts('', { LoaderEntryDefault: 'Open/Same' })).toEqual([doubt('LoaderEntryDefault')])
    for (const name of ['LoaderEntryOneShot', 'LoaderEntryPreferred'])
      expect(await doubts(head, { [name]: 'Open/Same' })).toEqual([doubt(name)])
  })

  test('it waits for a key without a timeout, with a variable that says so, and on a directory', async () => {
    const waits = async (head: string, variables: Readonly<Record<string, string>> = {}) =>
      (await menuOf({ ...boot, '/boot/limine.conf': { text: head + text }, ...loaderVariables(variables) })).loader
        .waits
    const first = 'default_entry: Open/Same\n'
    for (const head of ['', 'timeout: 3\n', 'timeout: 0\n']) expect(await waits(head + first), head).toBe(null)
    expect(await waits(`timeout: no\n${first}`)).toBe('timeout is no in /boot/limine.conf, so Limine waits for a key')
    expect(await waits('default_entry: 3\n')).toBe(
      'the default of /boot/limine.conf is a directory, so Limine waits for a key',
    )
    const variable = (name: string) => `the EFI variable ${name} makes newer releases of Limine wait for a key`
    const [once, every] = ['LoaderConfigTimeoutOneShot', 'LoaderConfigTimeout'] as const
    expect(await waits(`timeout: 3\n${first}`, { [once]: '0' })).toBe(variable(once))
    expect(await waits(first, { [every]: 'menu-force' })).toBe(variable(every))
    expect(await waits(`timeout: 3\n${first}`, { [every]: 'menu-force' })).toBe(null)
    expect(await waits(first, { [once]: '4', [every]: 'menu-force' })).toBe(null)
  })
})

test('keys: the first value, aliases in their order, no blank before the colon, lines that go on', async () => {
  const { entries } = await menuOf({
    ...boot,
    ...files('initrd', '/boot/board.dtb', '/boot/own.dtb'),
    '/boot/limine.conf': {
      text: `global_dtb: boot():/board.dtb
/One
protocol: linux
kernel_path: boot():/vmlinuz-6.6.1
path: boot():/vmlinuz-6.12.1
path: boot():/gone
cmdline: first
cmdline: second
cmdline : third
kernel_cmdline: alias \\
  goes on
kernel_cmdline: again
/Two
PROTOCOL: linux
Path: boot():/vmlinuz-6.6.1
cmdline: x\${NONE}y
dtb_path: boot():/own.dtb
`,
    },
  })
  expect(entries).toMatchObject([
    { kernel: '/boot/vmlinuz-6.12.1', commandLine: 'alias   goes on', deviceTree: '/boot/board.dtb' },
    { kernel: '/boot/vmlinuz-6.6.1', commandLine: 'xy', deviceTree: '/boot/own.dtb' },
  ])
})

test('partitions and disks that nothing here knows are named', async () => {
  const { entries } = await menuOf({
    ...boot,
    '/boot/limine.conf': {
      text: `/a\nprotocol: linux\npath: boot(7):/vmlinuz-6.6.1\n/b\nprotocol: linux\npath: fslabel(OTHER):/vmlinuz-6.6.1\n`,
    },
  })
  expect(entries.map(({ problems }) => problems)).toEqual([
    ['It depends on boot(7), which this system does not know.'],
    ['It depends on fslabel(OTHER), which this system does not know.'],
  ])
})

test('a partition that is not mounted is not taken for the one that is', async () => {
  const { entries } = await menuOf({
    ...boot,
    '/proc/self/mountinfo': { text: '22 1 8:3 / / rw - ext4 /dev/sda3 rw\n30 22 8:1 / /boot rw - vfat /dev/sda1 rw\n' },
    '/boot/limine.conf': {
      text: `/a\nprotocol: linux\npath: boot(1):/vmlinuz-6.6.1\n/b\nprotocol: linux\npath: boot(7):/vmlinuz-6.6.1\n`,
    },
  })
  expect(entries.map(({ kernel }) => kernel)).toEqual(['/boot/vmlinuz-6.6.1', '(boot:7)/vmlinuz-6.6.1'])
})

test('a configuration beside its program, and one that stops Limine', async () => {
  const text = '/a\n///b\nprotocol: linux\npath: boot():/vmlinuz-6.6.1\n'
  const { entries, loader } = await menuOf({ ...boot, '/boot/EFI/arch-limine/limine.conf': { text } })
  expect(entries).toMatchObject([{ title: 'b', submenus: ['a'] }])
  expect(loader.problems).toEqual([
    "/boot/EFI/arch-limine/limine.conf: line 2: 'b' stands below no entry: Limine stops with an error.",
  ])
})

test('limine.cfg of older versions; partitions by number and by name', async () => {
  const { entries } = await menuOf({
    ...boot,
    '/limine.cfg': {
      text: `TIMEOUT=3
:By partition
PROTOCOL=linux
KERNEL_PATH=hdd://1:2/vmlinuz-6.12.1
MODULE_PATH=boot://2/initramfs.img
CMDLINE=a=b c
:By name
PROTOCOL=linux
KERNEL_PATH=uuid://7a5e-0001/vmlinuz-6.6.1
`,
    },
    '/proc/self/mountinfo': {
      text: '22 1 8:3 / / rw - ext4 /dev/sda3 rw\n30 22 8:2 / /boot rw - ext4 /dev/sda2 rw\n',
    },
    '/dev/disk/by-uuid/7a5e-0001': { link: '../../sda2' },
  })
  expect(entries).toMatchObject([
    {
      kernel: '/boot/vmlinuz-6.12.1',
      initrds: ['/boot/initramfs.img'],
      commandLine: 'a=b c',
      isDefault: true,
      problems: [],
    },
    { kernel: '/boot/vmlinuz-6.6.1', commandLine: '', problems: [] },
  ])
})

describe('hostile input', () => {
  const hostile: readonly [string, string][] = [
    ['macros in macros', `\${A}=\${A}\${A}\n/x\nprotocol: linux\npath: \${A}\n`],
    [
      'a macro a million times',
      `\${A}=${'a'.repeat(1000)}\n/x\nprotocol: linux\npath: boot():/a\ncmdline: ${`\${A}`.repeat(1_000_000)}\n`,
    ],
    ['a million open braces', `/x\nprotocol: linux\npath: ${'${'.repeat(1_000_000)}\n`],
    ['a deep directory', `${'/'.repeat(1_000_000)}x\nprotocol: linux\npath: boot():/a\n`],
    ['10 MB in one line', `/x\nprotocol: linux\npath: boot():/../${'#a'.repeat(5_000_000)}\n`],
  ]
  test.each(hostile)('%s', async (_name, text) => {
    const { entries } = await menuOf({ '/limine.conf': { text } })
    expect(entries).toHaveLength(1)
    expect(entries[0]?.kernel).not.toContain('..')
  })
})
