import { expect, test } from 'vitest'
import { type BootLoader, readBootMenu } from '../../../src/entries/discover.ts'
import { wordsOf } from '../../../src/entries/refind/configuration.ts'
import { System } from '../../../src/system/system.ts'
import { files, identify, kernels, makeTree, type Tree } from './tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders } = await readBootMenu({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'refind') as BootLoader
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
      cmdline: 'ro root=UUID=7a5e quiet',
      isDefault: true,
    },
    {
      title: 'Boot to single-user mode',
      submenus: ['vmlinuz-6.1.10-1-amd64'],
      initrds: ['/boot/initrd.img-6.1.10-1-amd64'],
      cmdline: 'ro root=UUID=7a5e single',
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
      cmdline: 'root=PARTUUID=5028 rw add_efi_memmap',
      problems: [],
    },
    {
      id: 'Arch Linux/Boot to terminal',
      submenus: ['Arch Linux'],
      kernel: '/boot/vmlinuz-6.12.1',
      cmdline: 'root=PARTUUID=5028 rw add_efi_memmap systemd.unit=multi-user.target',
    },
    { id: 'Windows', kernel: null, isDefault: true },
  ])
  expect(loader.reason).toBe('default_selection windows in /boot/efi/EFI/refind/refind.conf names it')
})

test('words', () => {
  expect(wordsOf('a "b c" d=e,f #g')).toEqual(['a', 'b c', 'd', 'e', 'f'])
  expect(wordsOf('"say ""hi""" "open')).toEqual(['say "hi"', 'open'])
})

test('hostile input', async () => {
  const text = `menuentry ${'"'.repeat(10_000_001)}\n${'menuentry x {\nloader ../../../x\n}\n'.repeat(30_000)}include refind.conf\n`
  const { entries } = await menuOf({ '/EFI/refind/refind.conf': { text } })
  expect(entries.length).toBeGreaterThan(0)
  for (const { kernel } of entries) expect(kernel ?? '').not.toContain('..')
})
