import { describe, expect, test } from 'vitest'
import { type BootLoader, readBootMenu } from '../../../src/entries/discover.ts'
import { System } from '../../../src/system/system.ts'
import { files, identify, kernels, makeTree, type Tree } from './tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders, problems } = await readBootMenu({ system: new System(makeTree(tree)), identify })
  const loader = loaders.find(({ source }) => source === 'extlinux') as BootLoader
  return { entries: entries.filter(({ source }) => source === 'extlinux'), loader, problems }
}

/** A machine with two kernels in /boot and this extlinux.conf. */
function alpine(text: string): Tree {
  return {
    ...kernels('/boot', 'vmlinuz-', '6.6.58-0-lts', '6.6.58-0-virt'),
    ...files('initrd', '/boot/initramfs-lts', '/boot/initramfs-virt', '/boot/intel-ucode.img'),
    '/boot/extlinux.conf': { text },
  }
}

describe('labels', () => {
  test('title, kernel, initrds and command line; the order of the file', async () => {
    const { entries, loader } = await menuOf(
      alpine(`# made by hand
DEFAULT menu.c32
PROMPT 0
MENU TITLE Alpine/Linux Boot Menu
TIMEOUT 10
LABEL virt
  MENU LABEL Linux ^virt
  LINUX vmlinuz-6.6.58-0-virt
  INITRD intel-ucode.img,initramfs-virt
  APPEND root=UUID=7a5e modules=ext4   quiet
Label lts
\tMenu Default
\tmenu label ^Linux lts
\tkernel /boot/vmlinuz-6.6.58-0-lts single
\tappend initrd=/boot/initramfs-lts root=/dev/vda3 # not a comment
`),
    )
    expect(entries).toMatchObject([
      {
        id: 'virt',
        title: 'Linux virt',
        kernel: '/boot/vmlinuz-6.6.58-0-virt',
        initrds: ['/boot/intel-ucode.img', '/boot/initramfs-virt'],
        cmdline: 'root=UUID=7a5e modules=ext4   quiet',
        isDefault: false,
        problems: [],
      },
      {
        id: 'lts',
        title: 'Linux lts',
        kernel: '/boot/vmlinuz-6.6.58-0-lts',
        initrds: ['/boot/initramfs-lts'],
        cmdline: 'single initrd=/boot/initramfs-lts root=/dev/vda3 # not a comment',
        isDefault: true,
        problems: [],
      },
    ])
    expect(loader).toMatchObject({ inCharge: true, default: 'lts', config: '/boot/extlinux.conf' })
    expect(loader.reason).toBe('MENU DEFAULT marks it in /boot/extlinux.conf')
  })

  test('a global APPEND is for labels without one, the last one said; `-` means none', async () => {
    const { entries } = await menuOf(
      alpine(`APPEND root=/dev/sda1
LABEL own
KERNEL vmlinuz-6.6.58-0-lts
APPEND first
APPEND second
LABEL global
KERNEL vmlinuz-6.6.58-0-lts
LABEL none
KERNEL vmlinuz-6.6.58-0-lts
APPEND -
MENU BEGIN
APPEND root=/dev/sdb1
MENU END
LABEL later
KERNEL vmlinuz-6.6.58-0-lts
`),
    )
    expect(entries.map(({ id, cmdline }) => [id, cmdline])).toEqual([
      ['own', 'second'],
      ['global', 'root=/dev/sda1'],
      ['none', ''],
      ['later', 'root=/dev/sdb1'],
    ])
  })

  test('a label without KERNEL starts the file of its name', async () => {
    const { entries } = await menuOf(alpine('DEFAULT vmlinuz-6.6.58-0-lts\nLABEL vmlinuz-6.6.58-0-lts\nAPPEND quiet\n'))
    expect(entries).toMatchObject([{ kernel: '/boot/vmlinuz-6.6.58-0-lts', cmdline: 'quiet', isDefault: true }])
  })

  test('hidden and disabled labels are not in the menu; help texts are no commands', async () => {
    const { entries } = await menuOf(
      alpine(`UI vesamenu.c32
LABEL a
KERNEL vmlinuz-6.6.58-0-lts
TEXT HELP
LABEL no label
APPEND no option
ENDTEXT
LABEL hidden
MENU HIDE
LABEL disabled
MENU DISABLE
MENU SEPARATOR
LABEL b
MENU INDENT 2
KERNEL vmlinuz-6.6.58-0-virt
`),
    )
    expect(entries.map(({ id, cmdline, isDefault }) => [id, cmdline, isDefault])).toEqual([
      ['a', '', true],
      ['b', '', false],
    ])
  })

  test('what is no Linux kernel is listed and named', async () => {
    const { entries } = await menuOf(
      alpine(`LABEL disk
LOCALBOOT 0x80
LABEL windows
COM32 chain.c32
APPEND hd0 1
LABEL memtest
KERNEL memtest.bin
LABEL dos
KERNEL memdisk
INITRD dos.img
LABEL xen
KERNEL mboot.c32
APPEND xen.gz dom0_mem=512M --- vmlinuz-6.6.58-0-lts root=/dev/sda1 --- initramfs-lts
LABEL far
LINUX http://boot.example.org/vmlinuz
`),
    )
    expect(entries.map(({ id, kernel, problems }) => [id, kernel, problems[0]])).toEqual([
      ['disk', null, 'It starts no kernel: the next boot device of the firmware (LOCALBOOT).'],
      ['windows', null, "It starts no Linux kernel: the SYSLINUX module chain.c32 with 'hd0 1'."],
      ['memtest', null, 'It starts no Linux kernel: the boot sector or network boot program memtest.bin.'],
      ['dos', null, expect.stringContaining('memdisk boots a disk image')],
      ['xen', '/boot/xen.gz', expect.stringContaining('Multiboot')],
      ['far', null, 'It is fetched over the network: http://boot.example.org/vmlinuz.'],
    ])
    expect(entries[4]).toMatchObject({
      initrds: ['/boot/vmlinuz-6.6.58-0-lts', '/boot/initramfs-lts'],
      cmdline: 'dom0_mem=512M',
    })
  })
})

describe('the default', () => {
  const labels = 'LABEL one\nKERNEL vmlinuz-6.6.58-0-lts\nLABEL two\nKERNEL vmlinuz-6.6.58-0-virt\n'
  const cases: readonly [string, string, string | null][] = [
    ['DEFAULT', `DEFAULT two\n${labels}`, 'two'],
    ['the last DEFAULT', `DEFAULT two\n${labels}DEFAULT one`, 'one'],
    ['none: SYSLINUX stays at its prompt', labels, null],
    ['none, and a label linux', `${labels}LABEL linux\nKERNEL vmlinuz-6.6.58-0-lts`, 'linux'],
    ['ONTIMEOUT when a timeout runs', `PROMPT 1\nTIMEOUT 50\nDEFAULT one\nONTIMEOUT two\n${labels}`, 'two'],
    ['ONTIMEOUT that can never come', `PROMPT 1\nDEFAULT one\nONTIMEOUT two\n${labels}`, 'one'],
    ['the first of a menu', `UI menu.c32\n${labels}`, 'one'],
    ['MENU DEFAULT', `DEFAULT vesamenu.c32\n${labels}MENU DEFAULT`, 'two'],
    ['DEFAULT beside UI counts more', `DEFAULT one\nUI menu.c32\n${labels}MENU DEFAULT`, 'one'],
    ['MENU DEFAULT without a menu means nothing', `DEFAULT one\n${labels}MENU DEFAULT`, 'one'],
    ['in a submenu that is the default', `UI menu.c32\n${labels}MENU BEGIN\nMENU DEFAULT\nLABEL in\nMENU END`, 'in'],
    ['in the menu that is shown first', `UI menu.c32\n${labels}MENU BEGIN\nMENU START\nLABEL in\nMENU END`, 'in'],
  ]
  test.each(cases)('%s', async (_name, text, id) => {
    const { entries, loader } = await menuOf(alpine(text))
    expect(loader.default).toBe(id)
    expect(entries.find(({ isDefault }) => isDefault)?.id ?? null).toBe(id)
  })

  test('a command instead of a label', async () => {
    const { entries } = await menuOf(alpine('DEFAULT vmlinuz-6.6.58-0-lts root=/dev/sda1 initrd=initramfs-lts\n'))
    expect(entries).toMatchObject([
      {
        kernel: '/boot/vmlinuz-6.6.58-0-lts',
        initrds: ['/boot/initramfs-lts'],
        cmdline: 'root=/dev/sda1 initrd=initramfs-lts',
        isDefault: true,
      },
    ])
  })

  test('a label with further options', async () => {
    const { entries } = await menuOf(alpine(`DEFAULT two single\n${labels}`))
    expect(entries.map(({ id, cmdline, isDefault }) => [id, cmdline, isDefault])).toEqual([
      ['one', '', false],
      ['two', '', false],
      ['two single', 'single', true],
    ])
  })
})

describe('included files and further menus', () => {
  test('INCLUDE goes on where it stands; MENU INCLUDE with a title makes a submenu; paths are the first file’s', async () => {
    const { entries, problems } = await menuOf({
      '/isolinux/isolinux.cfg': { text: 'include menus/main.cfg\ndefault vesamenu.c32\ntimeout 0\n' },
      '/isolinux/menus/main.cfg': {
        text: 'label install\nmenu label ^Install\ninclude menus/kernel.cfg\nmenu include menus/expert.cfg Expert modes\nmenu begin\nmenu title Speech\nlabel speech\nkernel /live/vmlinuz-1\nappend -\nmenu end\n',
      },
      '/isolinux/menus/kernel.cfg': { text: 'kernel ../live/vmlinuz-1\nappend vga=788\ninitrd /LIVE/INITRD.IMG\n' },
      '/isolinux/menus/expert.cfg': { text: 'label expert\nkernel /live/vmlinuz-1\n' },
      '/live/vmlinuz-1': { kernel: '6.1.0' },
      '/live/initrd.img': 'initrd',
    })
    expect(problems).toEqual([])
    expect(entries).toMatchObject([
      {
        title: 'Install',
        submenus: [],
        kernel: '/live/vmlinuz-1',
        initrds: ['/live/initrd.img'],
        cmdline: 'vga=788',
        isDefault: true,
      },
      { title: 'expert', submenus: ['Expert modes'], kernel: '/live/vmlinuz-1' },
      { title: 'speech', submenus: ['Speech'], kernel: '/live/vmlinuz-1', problems: [] },
    ])
  })

  test('CONFIG and a menu of another file are followed, once', async () => {
    const { entries } = await menuOf({
      ...kernels('', 'vmlinuz-', '6.1.0'),
      '/syslinux/syslinux.cfg': { text: 'DEFAULT go\nLABEL go\nMENU LABEL Other\nCONFIG /other/a.cfg /other\n' },
      '/other/a.cfg': { text: 'DEFAULT menu.c32 b.cfg\n' },
      '/other/b.cfg': {
        text: 'LABEL x\nKERNEL ../vmlinuz-6.1.0\nMENU DEFAULT\nLABEL back\nKERNEL menu.c32\nAPPEND a.cfg\n',
      },
    })
    expect(entries).toMatchObject([
      { id: 'x', submenus: ['Other'], kernel: '/vmlinuz-6.1.0', isDefault: true, problems: [] },
      { id: 'back', kernel: null },
    ])
  })

  test('a file that includes itself, and one that is missing, cost no entry', async () => {
    const { entries, problems } = await menuOf(
      alpine(
        'LABEL one\nKERNEL vmlinuz-6.6.58-0-lts\nINCLUDE extlinux.conf\nINCLUDE extlinux.conf\nINCLUDE gone.cfg\n',
      ),
    )
    expect(entries.length).toBeGreaterThan(16)
    expect(entries.length).toBeLessThanOrEqual(256)
    expect(problems).toContainEqual(expect.stringContaining('more than 16 deep; extlinux.conf is left out'))
    expect(problems).toContain('/boot/extlinux.conf:5: the included file gone.cfg is not there, or cannot be read.')
  })
})

describe('paths', () => {
  const text = 'DEFAULT a\nLABEL a\nLINUX /vmlinuz-6.1.0\nINITRD /initrd.img\nLABEL b\nLINUX ../vmlinuz-6.1.0\n'
  const boot: Tree = { ...kernels('/boot', 'vmlinuz-', '6.1.0'), ...files('initrd', '/boot/initrd.img') }

  test('from the top of a separate /boot', async () => {
    const { entries } = await menuOf({
      ...boot,
      '/boot/extlinux/extlinux.conf': { text },
      '/proc/self/mountinfo': {
        text: '22 1 254:2 / / rw - ext4 /dev/vda2 rw\n30 22 254:1 / /boot rw - ext4 /dev/vda1 rw\n',
      },
      '/vmlinuz-6.1.0': { kernel: '5.0.0' },
    })
    expect(entries).toMatchObject([
      { kernel: '/boot/vmlinuz-6.1.0', initrds: ['/boot/initrd.img'], version: '6.1.0' },
      { kernel: '/boot/vmlinuz-6.1.0' },
    ])
  })

  test('of a boot partition by itself, as FAT spells it', async () => {
    const { entries, loader } = await menuOf({
      '/VMLINUZ-6.1.0': { kernel: '6.1.0' },
      '/initrd.img': 'initrd',
      '/SYSLINUX/SYSLINUX.CFG': { text },
    })
    expect(loader.config).toBe('/SYSLINUX/SYSLINUX.CFG')
    expect(entries).toMatchObject([{ kernel: '/VMLINUZ-6.1.0', problems: [] }, { kernel: '/VMLINUZ-6.1.0' }])
  })
})

describe("U-Boot's reading", () => {
  const uBoot = (text: string) =>
    menuOf({ ...kernels('/boot', 'vmlinuz-', '6.1.0'), '/boot/extlinux/extlinux.conf': { text } })

  test('devicetrees; the first INITRD; no global APPEND; the first label without a default', async () => {
    const { entries, problems } = await uBoot(`append ignored
label Debian 12 kernel
	menu label Debian
	linux ../vmlinuz-6.1.0
	initrd ../initrd.one
	initrd ../initrd.two
	fdt ../board.dtb
	append root=/dev/mmcblk0p2 console=\${console}
label l1
	linux ../vmlinuz-6.1.0
	fdtdir /usr/lib/linux-image-6.1.0/
	fdtoverlays ../a.dtbo ../b.dtbo
`)
    expect(problems).toEqual(['/boot/extlinux/extlinux.conf:1: an APPEND outside of a label, which U-Boot ignores.'])
    expect(entries).toMatchObject([
      {
        id: 'Debian 12 kernel',
        initrds: ['/boot/initrd.one'],
        devicetree: '/boot/board.dtb',
        cmdline: `root=/dev/mmcblk0p2 console=\${console}`,
        isDefault: true,
      },
      { id: 'l1', cmdline: '', devicetree: null },
    ])
    expect(entries[0]?.problems).toContainEqual(expect.stringContaining('only the first counts'))
    expect(entries[0]?.problems.at(-1)).toMatch(/variables of U-Boot's environment/)
    expect(entries[1]?.problems).toEqual([
      expect.stringContaining('/usr/lib/linux-image-6.1.0/'),
      'U-Boot applies devicetree overlays: ../a.dtbo ../b.dtbo.',
    ])
  })

  test('MENU DEFAULT counts where there is no DEFAULT', async () => {
    const labels = 'label a\nlinux ../vmlinuz-6.1.0\nfdtdir /d\nlabel b\nmenu default\nlinux ../vmlinuz-6.1.0\n'
    expect((await uBoot(labels)).loader.default).toBe('b')
    expect((await uBoot(`default a\n${labels}`)).loader.default).toBe('a')
    expect((await uBoot(`default gone\n${labels}`)).loader.default).toBe('a')
  })
})

describe('hostile input', () => {
  const hostile: readonly [string, Buffer | string][] = [
    ['noise', Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7919 + (index >> 3)) & 0xff))],
    ['one line of 10 MB', `LABEL a\nAPPEND ${'a '.repeat(5_000_000)}`],
    ['10 MB of blanks', ' '.repeat(10_000_000)],
    ['1,000 menus in menus', `${'MENU BEGIN x\n'.repeat(1000)}LABEL a\n${'MENU END\n'.repeat(1000)}`],
    ['100,000 labels', 'LABEL a\nKERNEL a\n'.repeat(100_000)],
    ['a text without an end', 'LABEL a\nTEXT HELP\n'],
    ['paths out of the root', 'LABEL a\nKERNEL ../../../../../../etc/passwd\nINITRD /../../etc/passwd\n'],
  ]
  test.each(hostile)('%s', async (_name, content) => {
    const file = typeof content === 'string' ? Buffer.from(content) : content
    const { entries } = await menuOf({ '/extlinux/extlinux.conf': { file }, '/etc/nothing': 'empty' })
    for (const { kernel } of entries) expect(kernel ?? '/').not.toContain('..')
  })
})
