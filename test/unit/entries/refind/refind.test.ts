import { describe, expect, test } from 'vitest'
import { initrdBeside, versionIn } from '../../../../src/entries/refind/versions.ts'
import { wordsOf } from '../../../../src/entries/refind/words.ts'
import { System } from '../../../../src/system/system.ts'
import { readSentences, type SentencedLoader } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders } = await readSentences({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'refind') as SentencedLoader
  return { entries: entries.filter(({ source }) => source === 'refind'), loader }
}

const debian: Tree = {
  ...kernels('/boot', 'vmlinuz-', '6.1.9-1-amd64', '6.1.10-1-amd64'),
  ...files('initrd', '/boot/initrd.img-6.1.9-1-amd64', '/boot/initrd.img-6.1.10-1-amd64'),
}

test('refind_linux.conf: each kernel beside it, the first line as its own entry, the others in its submenu', async () => {
  const { entries, loader } = await menuOf({
    ...debian,
    '/boot/refind_linux.conf': {
      text: `# comment
"Boot with standard options"  "ro root=UUID=7a5e quiet initrd=boot\\initrd.img-%v"
"Boot to single-user mode"    "ro root=UUID=7a5e single"
`,
    },
  })
  expect(entries).toMatchObject([
    {
      id: 'vmlinuz-6.1.10-1-amd64',
      title: 'Boot with standard options, vmlinuz-6.1.10-1-amd64',
      submenus: [],
      kernel: '/boot/vmlinuz-6.1.10-1-amd64',
      commandLine: 'ro root=UUID=7a5e quiet initrd=boot\\initrd.img-6.1.10-1-amd64',
      isDefault: true,
    },
    {
      title: 'Boot to single-user mode',
      submenus: ['vmlinuz-6.1.10-1-amd64'],
      initrds: ['/boot/initrd.img-6.1.10-1-amd64'],
      commandLine: 'ro root=UUID=7a5e single',
      problems: [],
    },
    { id: 'vmlinuz-6.1.9-1-amd64' },
    { kernel: '/boot/vmlinuz-6.1.9-1-amd64', initrds: ['/boot/initrd.img-6.1.9-1-amd64'] },
  ])
  expect(loader.config).toBe('/boot/refind_linux.conf')
})

test('Arch: microcode and initramfs by initrd=, from the top of the file system', async () => {
  const { entries } = await menuOf({
    '/boot/vmlinuz-linux': { kernel: '6.12.1-arch1-1' },
    ...files('initrd', '/boot/intel-ucode.img', '/boot/initramfs-linux.img', '/boot/initramfs-linux-fallback.img'),
    '/boot/refind_linux.conf': {
      text: '"Standard" "root=/dev/sda2 rw initrd=\\intel-ucode.img initrd=\\initramfs-linux.img"\n"Minimal" "root=/dev/sda2"\n',
    },
    '/etc/fstab': { text: '/dev/sda2 / ext4 rw 0 1\n/dev/sda1 /boot vfat rw 0 2\n' },
  })
  expect(entries).toMatchObject([
    { title: 'Standard', initrds: ['/boot/intel-ucode.img', '/boot/initramfs-linux.img'], problems: [] },
    { title: 'Minimal', initrds: ['/boot/initramfs-linux.img'], problems: [] },
  ])
})

const stanzas = `scanfor manual,internal
timeout 20
menuentry "Arch Linux" {
    icon     /EFI/refind/icons/os_arch.png
    volume   "Arch ""boot"""
    loader   /vmlinuz-6.12.1
    initrd   /initramfs.img
    options  "root=PARTUUID=5028 rw add_efi_memmap"
    submenuentry "Boot to terminal" {
        add_options "systemd.unit=multi-user.target"
    }
    submenuentry "Never" {
        disabled
    }
}
menuentry Windows {
    loader \\EFI\\Microsoft\\Boot\\bootmgfw.efi
}
menuentry "Gone" {
    loader /vmlinuz-6.12.1
    disabled
}
include more.conf
`

test('refind.conf: stanzas, submenus, what is disabled, an included file, the default', async () => {
  const tree: Tree = {
    '/boot/efi/EFI/refind/refind.conf': { text: stanzas },
    '/boot/efi/EFI/refind/more.conf': { text: 'default_selection "+,nothing,windows"\ninclude more.conf\n' },
    '/boot/vmlinuz-6.12.1': { kernel: '6.12.1' },
    '/boot/initramfs.img': 'initrd',
    '/dev/disk/by-label/Arch\\x20"boot"': { link: '../../sda2' },
    '/proc/self/mountinfo': {
      text: '22 1 8:3 / / rw - ext4 /dev/sda3 rw\n30 22 8:2 / /boot rw - ext4 /dev/sda2 rw\n31 30 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n',
    },
  }
  const { entries, loader } = await menuOf(tree)
  expect(entries).toMatchObject([
    {
      id: 'Arch Linux',
      kernel: '/boot/vmlinuz-6.12.1',
      initrds: ['/boot/initramfs.img'],
      commandLine: 'root=PARTUUID=5028 rw add_efi_memmap',
      problems: [],
    },
    {
      id: 'Arch Linux/Boot to terminal',
      submenus: ['Arch Linux'],
      kernel: '/boot/vmlinuz-6.12.1',
      commandLine: 'root=PARTUUID=5028 rw add_efi_memmap systemd.unit=multi-user.target',
    },
    { id: 'Windows', kernel: null, isDefault: true },
  ])
  expect(loader.reason).toBe('default_selection windows in /boot/efi/EFI/refind/refind.conf names it')
})

const arch: Tree = {
  '/boot/vmlinuz-linux': { kernel: '6.12.1-arch1-1' },
  '/boot/vmlinuz-linux-lts': { kernel: '6.6.1-1-lts' },
  ...files('initrd', '/boot/ucode.img', '/boot/initramfs-linux.img', '/boot/initramfs-linux-lts.img'),
}

const linuxConf = (options: string) => ({ '/boot/refind_linux.conf': { text: `"Standard" "${options}"\n` } })

describe('stanzas', () => {
  const stanza = async (body: string, tree: Tree = arch) =>
    (await menuOf({ ...tree, '/boot/EFI/refind/refind.conf': { text: `menuentry "A" {\n${body}\n}\n` } })).entries

  test('a loader without a slash before it is named from the top of the volume; so is an initrd', async () => {
    expect(await stanza('loader vmlinuz-linux\ninitrd initramfs-linux.img')).toMatchObject([
      { kernel: '/boot/vmlinuz-linux', initrds: ['/boot/initramfs-linux.img'], problems: [] },
    ])
  })

  test('in a btrfs subvolume', async () => {
    const tree: Tree = {
      ...arch,
      '/proc/self/mountinfo': {
        text: '22 1 0:30 /@ / rw - btrfs /dev/vda2 rw\n30 22 254:1 / /boot/efi rw - vfat /dev/vda1 rw\n',
      },
      '/dev/disk/by-label/root': { link: '../../vda2' },
      '/boot/efi/EFI/refind/refind.conf': {
        text: 'menuentry A {\nvolume root\nloader @/boot/vmlinuz-linux\ninitrd \\@\\boot\\initramfs-linux.img\n}\n',
      },
    }
    expect((await menuOf(tree)).entries).toMatchObject([
      { kernel: '/boot/vmlinuz-linux', initrds: ['/boot/initramfs-linux.img'], problems: [] },
    ])
  })

  test('the initrd line comes behind those of the options', async () => {
    expect(
      await stanza('loader /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions "ro initrd=\\ucode.img"'),
    ).toMatchObject([{ initrds: ['/boot/ucode.img', '/boot/initramfs-linux.img'] }])
  })

  test('a loader line drops the options before it; a submenu has what stood before it', async () => {
    const entries = await stanza(`options early
loader /vmlinuz-linux
options "ro"
initrd /initramfs-linux.img
submenuentry "B" {
add_options single
initrd
}
submenuentry C {
loader /vmlinuz-linux-lts
options
add_options x
}
options "rw"`)
    expect(
      entries.map(({ title, kernel, initrds, commandLine }) => [title, kernel, initrds.length, commandLine]),
    ).toEqual([
      ['A', '/boot/vmlinuz-linux', 1, 'rw'],
      ['B', '/boot/vmlinuz-linux', 0, 'ro single'],
      ['C', '/boot/vmlinuz-linux-lts', 1, 'x'],
    ])
    expect(await stanza('options early\nloader /vmlinuz-linux')).toMatchObject([{ commandLine: '' }])
  })

  test('an option of the firmware', async () => {
    expect(await stanza('firmware_bootnum 80')).toMatchObject([
      { kernel: null, problems: ['It starts boot option 80 of the firmware.'] },
    ])
  })
})

describe('scanning', () => {
  const scan = (conf: string, tree: Tree = {}) =>
    menuOf({ ...arch, ...linuxConf('rw'), '/boot/EFI/refind/refind.conf': { text: conf }, ...tree })
  const manual = 'menuentry Main {\nloader /vmlinuz-linux\noptions "main"\n}\n'
  const kernelsOf = async (conf: string, tree?: Tree) => (await scan(conf, tree)).entries.map(({ id }) => id)

  test('dont_scan_files: by name, by directory and name, added to what was', async () => {
    expect(await kernelsOf(`dont_scan_files shim.efi,/vmlinuz-linux\n${manual}`)).toEqual(['vmlinuz-linux-lts', 'Main'])
    expect(await kernelsOf('dont_scan_files boot/vmlinuz-linux\ndont_scan_files + VMLINUZ-LINUX-LTS')).toEqual([])
    expect(await kernelsOf('dont_scan_files EFI/vmlinuz-linux,OTHER:vmlinuz-linux-lts')).toHaveLength(2)
  })

  test('dont_scan_dirs and dont_scan_volumes', async () => {
    expect(await kernelsOf('dont_scan_dirs EFI/tools,boot\n')).toEqual([])
    expect(await kernelsOf('dont_scan_dirs OTHER:/boot\n')).toHaveLength(2)
    const volume: Tree = {
      '/proc/self/mountinfo': { text: '22 1 8:2 / / rw - ext4 /dev/sda2 rw\n' },
      '/dev/disk/by-label/Main': { link: '../../sda2' },
    }
    expect(await kernelsOf('dont_scan_volumes Main\n', volume)).toEqual([])
    expect(await kernelsOf('dont_scan_volumes Other\n', volume)).toHaveLength(2)
    expect(await kernelsOf('dont_scan_dirs Main:boot\n', volume)).toEqual([])
  })

  test('scanfor: the order of the menu, and what is not looked for', async () => {
    expect((await kernelsOf(manual)).at(-1)).toBe('Main')
    expect((await kernelsOf(`scanfor manual,internal\n${manual}`))[0]).toBe('Main')
    expect(await kernelsOf(`scanfor manual\n${manual}`)).toEqual(['Main'])
    expect(await kernelsOf(`scanfor internal\n${manual}`)).toHaveLength(2)
    const { entries, loader } = await scan(`scanfor external,manual\n${manual}`)
    expect(entries[0]?.problems).toContainEqual(
      expect.stringContaining('It is shown only if its disk is an external one'),
    )
    expect(loader.default).toBe('Main')
  })

  test('linux_prefixes, scan_all_linux_kernels, follow_symlinks, fold_linux_kernels', async () => {
    expect(await kernelsOf('linux_prefixes bzImage\n')).toEqual([])
    expect(await kernelsOf('linux_prefixes + my\n', { '/boot/my.efi': { kernel: '1.0' } })).toContain('my.efi')
    expect(await kernelsOf('scan_all_linux_kernels false\n')).toEqual([])
    const link: Tree = { '/boot/vmlinuz': { link: 'vmlinuz-linux' } }
    expect(await kernelsOf('', link)).toHaveLength(2)
    expect(await kernelsOf('follow_symlinks\n', link)).toHaveLength(3)
    expect((await scan('')).entries.map(({ submenus }) => submenus)).toEqual([[], ['vmlinuz-linux-lts']])
    expect((await scan('fold_linux_kernels off\n')).entries.map(({ submenus }) => submenus)).toEqual([[], []])
  })

  test('also_scan_dirs, and what rEFInd may not see', async () => {
    const tree: Tree = {
      '/proc/self/mountinfo': { text: '22 1 0:30 /root / rw - btrfs /dev/vda2 rw\n' },
      '/dev/null': 'empty',
    }
    const doubt = expect.stringContaining('It is shown only if rEFInd looks into /root/boot.')
    expect((await scan('', tree)).entries[0]?.problems).toContainEqual(doubt)
    expect((await scan('also_scan_dirs + root/boot\n', tree)).entries[0]?.problems).not.toContainEqual(doubt)
  })
})

describe('%v and the initrd beside a kernel', () => {
  const conf = (text: string) => ({ '/boot/efi/EFI/refind/refind.conf': { text } })
  const extra = 'extra_kernel_version_strings linux-lts,linux\n'

  test('extra_kernel_version_strings', async () => {
    const options = 'rw initrd=boot\\ucode.img initrd=boot\\initramfs-%v.img'
    const { entries } = await menuOf({ ...arch, ...linuxConf(options), ...conf(extra) })
    expect(entries[0]?.commandLine).toBe('rw initrd=boot\\ucode.img initrd=boot\\initramfs-linux-lts.img')
    expect(entries.map(({ initrds, problems }) => [initrds, problems])).toEqual([
      [['/boot/ucode.img', '/boot/initramfs-linux-lts.img'], []],
      [['/boot/ucode.img', '/boot/initramfs-linux.img'], []],
    ])
  })

  test('names without a version share the initrd with the shortest name, and that is said', async () => {
    const { entries } = await menuOf({ ...arch, ...linuxConf('rw') })
    expect(entries.map(({ id, initrds }) => [id, initrds])).toEqual([
      ['vmlinuz-linux-lts', ['/boot/initramfs-linux.img']],
      ['vmlinuz-linux', ['/boot/initramfs-linux.img']],
    ])
    expect(entries[0]?.problems).toContainEqual(
      'rEFInd loads initramfs-linux.img with vmlinuz-linux-lts, not initramfs-linux-lts.img; extra_kernel_version_strings would tell them apart.',
    )
    const told = await menuOf({ ...arch, ...linuxConf('rw'), ...conf(extra) })
    expect(told.entries.map(({ initrds }) => initrds)).toEqual([
      ['/boot/initramfs-linux-lts.img'],
      ['/boot/initramfs-linux.img'],
    ])
  })

  test('versions', () => {
    expect(versionIn('vmlinuz-6.6.1-arch1-1', [])).toBe('6.6.1-arch1-1')
    expect(versionIn('vmlinuz-6.6.1-lts', ['lts', 'linux'])).toBe('6.6.1-lts')
    expect(versionIn('vmlinuz-linux-6', ['linux'])).toBe('linux-6')
    expect(versionIn('vmlinuz', ['linux'])).toBe(null)
    const names = ['initrd-6.1.img.old', 'initrd-6.1.img', 'initrd-6.1.0.img', 'booster-6.1.img']
    expect(initrdBeside('vmlinuz-6.1', names, [])).toBe('initrd-6.1.img')
  })
})

describe('default_selection', () => {
  const titles = ['One', 'Two', 'Three']
  const menu = titles.map((title) => `menuentry ${title} {\nloader /vmlinuz-linux\n}\n`).join('')
  const loaderOf = async (selection: string, tree: Tree = {}) => {
    const text = `${selection === '' ? '' : `default_selection ${selection}\n`}${menu}`
    return (await menuOf({ ...arch, '/boot/EFI/refind/refind.conf': { text }, ...tree })).loader
  }
  const chosen = async (selection: string, tree?: Tree) => (await loaderOf(selection, tree)).default
  const started = (title: string): Tree => ({
    '/sys/firmware/efi/efivars/PreviousBoot-36d08fa7-cf0b-42f5-8f14-68df73ed3740': {
      file: Buffer.concat([Buffer.alloc(4), Buffer.from(`${title}\0`, 'utf16le')]),
    },
  })

  test('a number, a part of the title, a list in quotes; a list without them is none', async () => {
    expect(await chosen('2')).toBe('Two')
    expect(await chosen('thr')).toBe('Three')
    expect(await chosen('"boot two from"')).toBe('Two')
    expect(await chosen('"gone,Three"')).toBe('Three')
    expect(await chosen('gone,Three')).toBe('One')
    expect(await chosen('L')).toBe('One')
  })

  test('what was started last, unless something else is asked for', async () => {
    expect(await chosen('', started('Boot Two from ESP'))).toBe('Two')
    expect(await chosen('"Three,+"', started('Boot Two from ESP'))).toBe('Three')
    expect(await chosen('', started('Boot Gone from ESP'))).toBe('One')
    const file = { file: Buffer.from('Boot Two from ESP\0', 'utf16le') }
    expect(await chosen('', { '/boot/EFI/refind/vars/PreviousBoot': file })).toBe('Two')
  })

  test('a default that may be another is said: by its place, or by what was started last', async () => {
    const doubts = async (selection: string, tree?: Tree) => (await loaderOf(selection, tree)).problems
    const others = ['rEFInd may find other entries before its default, such as those of another system.']
    for (const selection of ['', '2', 'L']) expect(await doubts(selection), selection).toEqual(others)
    for (const selection of ['', '2']) expect(await doubts(`${selection}\nscanfor manual,internal`)).toEqual([])
    expect(await doubts('Two')).toEqual([])
    expect(await doubts('', started('Boot Two from ESP'))).toEqual([])
    const gone = started('Boot Gone from ESP')
    for (const selection of ['', '"+,Two"'])
      expect(await doubts(selection, gone)).toEqual([
        "rEFInd started 'Boot Gone from ESP' last, which is none of the entries that were found.",
      ])
    const hidden: Tree = { '/sys/firmware/efi/efivars': 'directory' }
    expect(await doubts('"+,Two"', hidden)).toEqual([
      'What rEFInd started last is unknown: its EFI variable cannot be seen.',
    ])
    expect(await doubts('Two', hidden)).toEqual([])
    expect(await doubts('"+,Two"', files('directory', '/sys/firmware'))).toEqual([])
  })

  test('a timeout of 0 waits for a key', async () => {
    const waits = async (head: string) => (await loaderOf(`Two\n${head}`)).waits
    for (const head of ['', 'timeout 5\n', 'timeout -1\n']) expect(await waits(head), head).toBe(null)
    expect(await waits('timeout 0\n')).toBe('timeout is 0 in /boot/EFI/refind/refind.conf, so rEFInd waits for a key')
  })

  test('one that holds for some hours is left out, and said', async () => {
    const text = `scanfor manual\ndefault_selection Two 8:00 17:00\n${menu}`
    const { loader } = await menuOf({ ...arch, '/boot/EFI/refind/refind.conf': { text } })
    expect(loader.default).toBe('One')
    expect(loader.problems).toEqual([
      '/boot/EFI/refind/refind.conf:2: default_selection Two holds from 8:00 to 17:00 only; it is left out here.',
    ])
  })
})

test('words', () => {
  expect(wordsOf('loader /boot/vmlinuz#x "a/b"')).toEqual(['loader', '\\boot\\vmlinuz'])
  expect(wordsOf('a "b c" d=e,f #g')).toEqual(['a', 'b c', 'd', 'e', 'f'])
  expect(wordsOf('"say ""hi""" "open')).toEqual(['say "hi"', 'open'])
})

test('hostile input', async () => {
  const text = `menuentry ${'"'.repeat(10_000_001)}\n${'menuentry x {\nloader ../../../x\n}\n'.repeat(30_000)}include refind.conf\n`
  const { entries } = await menuOf({ '/EFI/refind/refind.conf': { text } })
  expect(entries.length).toBeGreaterThan(0)
  for (const { kernel } of entries) expect(kernel ?? '').not.toContain('..')
})
