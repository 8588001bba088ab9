import { describe, expect, test } from 'vitest'
import type { IdentifyKernel } from '../../../../src/entries/names/identify.ts'
import { System } from '../../../../src/system/system.ts'
import { readSentences, type SentencedLoader } from '../sentences.ts'
import { files, identify, kernels, makeTree, type Tree } from '../tree.ts'

async function menuOf(tree: Tree) {
  const { entries, loaders, problems } = await readSentences({
    system: new System(makeTree(tree)),
    identify: identifyBoth,
  })
  const loader = loaders.find(({ source }) => source === 'extlinux') as SentencedLoader
  return { entries: entries.filter(({ source }) => source === 'extlinux'), loader, problems }
}

/** An arm64 kernel, which only U-Boot starts from such files: the magic number of its header. */
const arm64Kernel = { file: Buffer.concat([Buffer.alloc(0x38), Buffer.from('ARM\x64'), Buffer.alloc(8)]) }

const identifyBoth: IdentifyKernel = (bytes, size) =>
  bytes.toString('latin1', 0x38, 0x3c) === 'ARM\x64'
    ? { architecture: 'aarch64', version: null, bootable: true, description: 'Linux arm64 image' }
    : identify(bytes, size)

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
        commandLine: 'root=UUID=7a5e modules=ext4   quiet',
        isDefault: false,
        problems: [],
      },
      {
        id: 'lts',
        title: 'Linux lts',
        kernel: '/boot/vmlinuz-6.6.58-0-lts',
        initrds: ['/boot/initramfs-lts'],
        commandLine: 'single initrd=/boot/initramfs-lts root=/dev/vda3 # not a comment',
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
    expect(entries.map(({ id, commandLine }) => [id, commandLine])).toEqual([
      ['own', 'second'],
      ['global', 'root=/dev/sda1'],
      ['none', ''],
      ['later', 'root=/dev/sdb1'],
    ])
  })

  test('a label without KERNEL starts the file of its name', async () => {
    const { entries } = await menuOf(alpine('DEFAULT vmlinuz-6.6.58-0-lts\nLABEL vmlinuz-6.6.58-0-lts\nAPPEND quiet\n'))
    expect(entries).toMatchObject([{ kernel: '/boot/vmlinuz-6.6.58-0-lts', commandLine: 'quiet', isDefault: true }])
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
    expect(entries.map(({ id, commandLine, isDefault }) => [id, commandLine, isDefault])).toEqual([
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
      commandLine: 'dom0_mem=512M',
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
        commandLine: 'root=/dev/sda1 initrd=initramfs-lts',
        isDefault: true,
      },
    ])
  })

  test('a label with further options', async () => {
    const { entries } = await menuOf(alpine(`DEFAULT two single\n${labels}`))
    expect(entries.map(({ id, commandLine, isDefault }) => [id, commandLine, isDefault])).toEqual([
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
        commandLine: 'vga=788',
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
    expect(entries.map(({ id }) => id)).toEqual(['one'])
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

describe('menus of menus', () => {
  const vmlinuz: Tree = { '/isolinux/vmlinuz': { kernel: '6.1.0' }, '/isolinux/linux': { kernel: '5.1.0' } }
  const iso = (files: Readonly<Record<string, string>>, tree: Tree = {}) =>
    menuOf({
      ...vmlinuz,
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`/isolinux/${name}`, { text }])),
      ...tree,
    })
  const label = (name: string, more = '') => `LABEL ${name}\nLINUX vmlinuz\nAPPEND ${name}\n${more}`
  const shown = async (files: Readonly<Record<string, string>>, tree?: Tree) => {
    const { entries } = await iso(files, tree)
    return entries.map(({ id, commandLine, isDefault }) => [id, commandLine, ...(isDefault ? ['default'] : [])])
  }

  test('two that include the same file: each with its own entries, the shared ones once', async () => {
    const files = {
      'isolinux.cfg': 'DEFAULT menu.c32\nLABEL net\nCONFIG net.cfg\nLABEL disk\nMENU DEFAULT\nCONFIG disk.cfg\n',
      'net.cfg': `UI menu.c32\n${label('n1')}INCLUDE tail.cfg\n`,
      'disk.cfg': `UI menu.c32\n${label('d1')}INCLUDE tail.cfg\n`,
      'tail.cfg': label('check'),
    }
    expect(await shown(files)).toEqual([
      ['n1', 'n1'],
      ['check', 'check'],
      ['d1', 'd1', 'default'],
    ])
    // A shared entry may be where the second menu starts.
    expect(
      (await shown({ ...files, 'disk.cfg': `UI menu.c32\nDEFAULT check\n${label('d1')}INCLUDE tail.cfg\n` }))[1],
    ).toEqual(['check', 'check', 'default'])
  })

  test('a menu that two labels open', async () => {
    expect(
      await shown({
        'isolinux.cfg': 'DEFAULT b\nLABEL a\nCONFIG c.cfg\nLABEL b\nCONFIG c.cfg\n',
        'c.cfg': `DEFAULT y\n${label('x')}${label('y')}`,
      }),
    ).toEqual([
      ['x', 'x'],
      ['y', 'y', 'default'],
    ])
  })

  test('a help page whose labels are those of the menu', async () => {
    expect(
      await shown({
        'isolinux.cfg': `UI menu.c32\nLABEL help\nCONFIG help.cfg\nINCLUDE main.cfg\n`,
        'help.cfg': 'PROMPT 1\nINCLUDE main.cfg\n',
        'main.cfg': label('install', 'MENU DEFAULT\n'),
      }),
    ).toEqual([
      ['help', null],
      ['install', 'install', 'default'],
    ])
  })

  test('labels of several words: a menu takes all of them, the prompt the first', async () => {
    const text = `LABEL Start one\nLINUX vmlinuz\nAPPEND 1\nLABEL Go two\nLINUX vmlinuz\nAPPEND 2\n`
    expect(await shown({ 'isolinux.cfg': `DEFAULT menu.c32\n${text}` })).toEqual([
      ['Start one', '1', 'default'],
      ['Go two', '2'],
    ])
    expect(await shown({ 'isolinux.cfg': `DEFAULT Go\n${text}` })).toEqual([
      ['Start', '1'],
      ['Go', '2', 'default'],
    ])
  })

  test('MENU SAVE is said', async () => {
    const { loader } = await iso({ 'isolinux.cfg': `UI menu.c32\nMENU SAVE\n${label('a')}` })
    expect(loader.reason).toBe('it is the first of the menu, unless MENU SAVE kept another')
    expect(loader.problems).toEqual([
      'MENU SAVE in /isolinux/isolinux.cfg may have kept another entry than the default.',
    ])
    const { loader: sure } = await iso({
      'isolinux.cfg': `UI menu.c32\nMENU SAVE\nTIMEOUT 10\nONTIMEOUT a\n${label('a')}`,
    })
    expect(sure.problems).toEqual([])
    const { loader: elsewhere } = await iso({
      'isolinux.cfg': `UI menu.c32\n${label('a')}LABEL more\nKERNEL menu.c32\nAPPEND more.cfg\n`,
      'more.cfg': `MENU SAVE\n${label('b')}`,
    })
    expect(elsewhere.problems).toEqual([])
  })

  test('menus and prompts without a TIMEOUT wait for a key; without either nothing does', async () => {
    const waits = async (head: string, more = '') =>
      (await iso({ 'isolinux.cfg': `${head}${label('a')}`, 'more.cfg': `${more}${label('b')}` })).loader.waits
    const wait = (what: string, file = 'isolinux.cfg') =>
      `/isolinux/${file} sets no TIMEOUT, so its ${what} waits for a key`
    expect(await waits('UI menu.c32\n')).toBe(wait('menu'))
    expect(await waits('UI menu.c32\nTIMEOUT 0\n')).toBe(wait('menu'))
    expect(await waits('DEFAULT a\nPROMPT 1\n')).toBe(wait('prompt'))
    for (const head of [
      'UI menu.c32\nTIMEOUT 10\n',
      'UI menu.c32\nTOTALTIMEOUT 10\n',
      'DEFAULT a\nPROMPT 1\nTIMEOUT 5\n',
    ])
      expect(await waits(head), head).toBe(null)
    expect(await waits('DEFAULT a\n')).toBe(null)
    for (const start of [
      'DEFAULT more\nLABEL more\nCONFIG more.cfg\n',
      'DEFAULT config more.cfg\n',
      'UI menu.c32 more.cfg\n',
    ]) {
      expect(await waits(start, 'UI menu.c32\n'), start).toBe(wait('menu', 'more.cfg'))
      expect(await waits(start, 'UI menu.c32\nTIMEOUT 10\n'), start).toBe(null)
    }
  })

  describe('modules that choose', () => {
    const two = 'LABEL wide\nLINUX vmlinuz\nAPPEND wide\nLABEL narrow\nLINUX linux\nAPPEND narrow\n'
    const auto = (kernel: string, append: string) => `LABEL auto\nCOM32 ${kernel}\nAPPEND ${append}\n${two}`

    test.each([
      ['ifcpu64.c32', 'wide -- narrow', 'wide', []],
      ['ifcpu64.c32', 'wide -- other -- narrow', 'wide', []],
      ['ifcpu64', 'wide quiet -- narrow', 'wide quiet', []],
      ['ifcpu.c32', '64 -- wide -- narrow', 'wide', []],
      ['ifcpu.c32', 'pae hvm -- wide -- narrow', 'wide', ['It depends on the processor, whether it has hvm.']],
      ['ifplop.c32', 'narrow -- wide', 'wide', [expect.stringContaining('PLoP')]],
      ['ifmemdsk.c32', 'narrow -- wide', 'wide', [expect.stringContaining('MEMDISK')]],
      ['whichsys.c32', '-pxe- narrow -sys- narrow -iso- wide', 'wide', []],
      ['cmd.c32', 'wide x', 'wide x', []],
    ])('%s %s', async (module, append, commandLine, problems) => {
      const { entries } = await iso({ 'isolinux.cfg': `DEFAULT auto\n${auto(module, append)}` })
      expect(entries[0]).toMatchObject({
        id: 'auto',
        kernel: '/isolinux/vmlinuz',
        commandLine,
        isDefault: true,
        problems,
      })
    })

    test('ifcpu.c32 reads the processor of the running machine', async () => {
      const tree: Tree = { '/proc/cpuinfo': { text: 'processor : 0\nflags\t\t: fpu svm\n' } }
      const text = `DEFAULT auto\n${auto('ifcpu.c32', 'hvm -- wide -- narrow')}`
      expect((await iso({ 'isolinux.cfg': text }, tree)).entries[0]).toMatchObject({
        commandLine: 'wide',
        problems: [],
      })
      const other: Tree = { '/proc/cpuinfo': { text: 'processor : 0\nflags\t\t: fpu\n' } }
      expect((await iso({ 'isolinux.cfg': text }, other)).entries[0]).toMatchObject({ commandLine: 'narrow' })
    })

    test('named by DEFAULT itself, with a menu behind it, and one that leads to itself', async () => {
      expect(await shown({ 'isolinux.cfg': `DEFAULT ifcpu64.c32 wide -- narrow\n${two}` })).toEqual([
        ['wide', 'wide', 'default'],
        ['narrow', 'narrow'],
      ])
      expect(
        await shown({
          'isolinux.cfg':
            'DEFAULT go\nLABEL go\nCOM32 whichsys.c32\nAPPEND -iso- iso -sys- sys\nLABEL sys\nCONFIG s.cfg\nLABEL iso\nCONFIG i.cfg\n',
          's.cfg': label('s'),
          'i.cfg': `DEFAULT i\n${label('i')}`,
        }),
      ).toEqual([
        ['i', 'i', 'default'],
        ['s', 's'],
      ])
      const { entries } = await iso({ 'isolinux.cfg': 'DEFAULT a\nLABEL a\nCOM32 cmd.c32\nAPPEND a\n' })
      expect(entries).toMatchObject([{ id: 'a', kernel: null }])
    })
  })
})

describe('where configurations and files are', () => {
  const one = 'DEFAULT a\nLABEL a\nLINUX vmlinuz\nINITRD sub/initrd\n'

  test("PXELINUX's paths start from the directory of its program, `::` from the server's top", async () => {
    const { entries } = await menuOf({
      '/pxelinux.cfg/default': { text: `${one}LABEL b\nLINUX ::sub/linux\n` },
      '/vmlinuz': { kernel: '6.1.0' },
      '/sub/linux': { kernel: '6.1.0' },
      '/sub/initrd': 'initrd',
    })
    expect(entries).toMatchObject([
      { kernel: '/vmlinuz', initrds: ['/sub/initrd'], problems: [] },
      { kernel: '/sub/linux', problems: [] },
    ])
  })

  test('a configuration beside its program, wherever that is on a medium', async () => {
    const medium: Tree = {
      '/live/boot/loader/isolinux.bin': 'empty',
      '/live/boot/loader/isolinux.cfg': { text: one },
      '/live/boot/loader/vmlinuz': { kernel: '6.1.0' },
      '/live/boot/loader/sub/initrd': 'initrd',
    }
    expect((await menuOf(medium)).entries).toMatchObject([{ kernel: '/live/boot/loader/vmlinuz', problems: [] }])
    const efi: Tree = {
      '/boot/efi/EFI/tools/ldlinux.e64': 'empty',
      '/boot/efi/EFI/tools/syslx64.cfg': { text: one },
      '/boot/efi/EFI/tools/vmlinuz': { kernel: '6.1.0' },
      '/etc/fstab': { text: '' },
    }
    expect((await menuOf(efi)).loader.config).toBe('/boot/efi/EFI/tools/syslx64.cfg')
  })

  test('FDTDIR does not make an x86 machine one of U-Boot', async () => {
    const text =
      'DEFAULT lts\nLABEL lts\nLINUX vmlinuz-6.6.58-0-lts\nINITRD intel-ucode.img,initramfs-lts\nFDTDIR dtbs\nAPPEND quiet\n'
    const { entries } = await menuOf(alpine(text))
    expect(entries).toMatchObject([
      { initrds: ['/boot/intel-ucode.img', '/boot/initramfs-lts'], commandLine: 'quiet', problems: [] },
    ])
  })
})

describe("U-Boot's reading", () => {
  const uBoot = (text: string) =>
    menuOf({ '/boot/vmlinuz-6.1.0': arm64Kernel, '/boot/extlinux/extlinux.conf': { text } })

  test('devicetrees; no global APPEND; the first label without a default', async () => {
    const { entries, problems } = await uBoot(`append ignored
label Debian 12 kernel
	menu label Debian
	linux ../vmlinuz-6.1.0
	initrd ../initrd.one
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
        deviceTree: '/boot/board.dtb',
        commandLine: `root=/dev/mmcblk0p2 console=\${console}`,
        isDefault: true,
      },
      { id: 'l1', commandLine: '', deviceTree: null },
    ])
    expect(entries[0]?.problems.at(-1)).toMatch(/variables of U-Boot's environment/)
    expect(entries[1]?.problems).toEqual([
      expect.stringContaining('/usr/lib/linux-image-6.1.0/'),
      'U-Boot applies devicetree overlays: ../a.dtbo ../b.dtbo.',
    ])
  })

  test.each([
    ['initrd ../a\ninitrd ../b', ['/boot/a'], ''],
    ['append first initrd=/boot/a\ninitrd ../b', ['/boot/a'], 'first initrd=/boot/a'],
    ['fdt ../a.dtb\ndevicetree ../b.dtb', [], ''],
    ['fdtdir ../a\nfdtdir ../b', [], ''],
    ['fdtoverlays ../a\nfdtoverlays ../b', [], ''],
  ])('%j: the second ends the label', async (lines, initrds, commandLine) => {
    const { entries } = await uBoot(`label a\nlinux ../vmlinuz-6.1.0\n${lines}\nappend late\n`)
    expect(entries).toMatchObject([{ id: 'a', initrds, commandLine }])
    expect(entries[0]?.problems).toContainEqual(expect.stringContaining('U-Boot ends the label'))
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
