import { describe, expect, test } from 'vitest'
import { type BootLoader, readBootMenu } from '../../../src/entries/discover.ts'
import { System } from '../../../src/system/system.ts'
import { files, identify, kernels, makeTree, type Tree } from './tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders } = await readBootMenu({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'limine') as BootLoader
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
    comment: a folder
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

test('limine.conf: folders, macros, several modules, the default', async () => {
  const { entries, loader } = await menuOf({
    ...boot,
    '/boot/limine/limine.conf': { text: conf },
    '/etc/fstab': { text: 'UUID=7a5e / ext4 rw 0 1\nUUID=AAAA-BBBB /boot vfat rw 0 2\n' },
  })
  expect(entries).toMatchObject([
    { id: 'Old', kernel: '/boot/vmlinuz-6.6.1', cmdline: 'root=UUID=7a5e rw single', problems: [] },
    {
      id: 'Arch Linux/linux',
      title: 'linux',
      submenus: ['Arch Linux'],
      kernel: '/boot/vmlinuz-6.12.1',
      initrds: ['/boot/ucode.img', '/boot/initramfs.img'],
      cmdline: 'root=UUID=7a5e rw quiet loglevel=3',
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

test('a closed folder is one line of the menu; without default_entry the first line counts', async () => {
  const text =
    '/Folder\n//a\nprotocol: linux\npath: boot():/vmlinuz-6.6.1\n//b\n/Last\nprotocol: linux\npath: boot():/vmlinuz-6.12.1\n'
  const defaultOf = async (head: string) =>
    (await menuOf({ ...boot, '/boot/limine.conf': { text: head + text } })).loader.default
  expect(await defaultOf('')).toBe('Folder/a')
  expect(await defaultOf('default_entry: 2\n')).toBe('Last')
  expect(await defaultOf('default_entry: 9\n')).toBe(null)
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
      cmdline: 'a=b c',
      isDefault: true,
      problems: [],
    },
    { kernel: '/boot/vmlinuz-6.6.1', cmdline: '', problems: [] },
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
    ['a deep folder', `${'/'.repeat(1_000_000)}x\nprotocol: linux\npath: boot():/a\n`],
    ['10 MB in one line', `/x\nprotocol: linux\npath: boot():/../${'#a'.repeat(5_000_000)}\n`],
  ]
  test.each(hostile)('%s', async (_name, text) => {
    const { entries } = await menuOf({ '/limine.conf': { text } })
    expect(entries).toHaveLength(1)
    expect(entries[0]?.kernel).not.toContain('..')
  })
})
