/** A small boot partition, with the text of each file; KERNEL and INITRD stand for programs that tell and files of their own name. */
export interface LoaderTree {
  readonly name: string
  readonly files: Readonly<Record<string, string>>
}

export const KERNEL = '@kernel'
export const INITRD = '@initrd'

const kernels = (...paths: string[]) => Object.fromEntries(paths.map((path) => [path, KERNEL]))
const initrds = (...paths: string[]) => Object.fromEntries(paths.map((path) => [path, INITRD]))

const dir = '/syslinux'
const two = kernels(`${dir}/one`, `${dir}/two`)
const label = (name: string, kernel: string, more = '') =>
  `LABEL ${name}\nLINUX ${kernel}\nAPPEND from=${name}\n${more}`
const menu = `${label('a', 'one')}${label('b', 'two')}`
const syslinuxTree = (name: string, text: string, files: Readonly<Record<string, string>> = {}): LoaderTree => ({
  name,
  files: { ...two, [`${dir}/syslinux.cfg`]: text, ...files },
})

/** Every one boots by itself: a menu's timeout is a tenth of a second. */
export const syslinuxTrees: readonly LoaderTree[] = [
  syslinuxTree('DEFAULT of the prompt', `DEFAULT b\n${menu}`),
  syslinuxTree('DEFAULT with options', `DEFAULT b single\n${menu}`),
  syslinuxTree('ONTIMEOUT', `PROMPT 1\nTIMEOUT 1\nDEFAULT a\nONTIMEOUT b\n${menu}`),
  syslinuxTree('MENU DEFAULT', `DEFAULT menu.c32\nTIMEOUT 1\n${menu}MENU DEFAULT\n`),
  syslinuxTree(
    'DEFAULT beside UI',
    `UI menu.c32\nTIMEOUT 1\nDEFAULT b\n${label('a', 'one', 'MENU DEFAULT\n')}${label('b', 'two')}`,
  ),
  syslinuxTree(
    'several INITRD words, FDTDIR',
    `DEFAULT a\n${label('a', 'one', 'INITRD i1,/i2\nFDTDIR /dtbs\n')}`,
    initrds(`${dir}/i1`, '/i2'),
  ),
  syslinuxTree(
    'initrd= before INITRD',
    `DEFAULT a\nLABEL a\nLINUX one\nINITRD i1\nAPPEND x initrd=i2,i1 y\n`,
    initrds(`${dir}/i1`, `${dir}/i2`),
  ),
  syslinuxTree(
    'two INITRD lines',
    `DEFAULT a\n${label('a', 'one', 'INITRD i1\nINITRD i2\n')}`,
    initrds(`${dir}/i1`, `${dir}/i2`),
  ),
  syslinuxTree(
    'a global APPEND, and -',
    `DEFAULT menu.c32\nTIMEOUT 1\nAPPEND global\nLABEL a\nLINUX one\nAPPEND -\nLABEL b\nMENU DEFAULT\nLINUX two\n`,
  ),
  syslinuxTree(
    'labels of several words in a menu',
    `DEFAULT menu.c32\nTIMEOUT 1\nLABEL Start here\nKERNEL one\nAPPEND 1\nLABEL Start there\nMENU DEFAULT\nKERNEL two\nAPPEND 2\n`,
  ),
  syslinuxTree(
    'labels of several words at the prompt',
    `DEFAULT Go\nLABEL Start here\nKERNEL one\nLABEL Go there\nKERNEL two\nAPPEND 2\n`,
  ),
  syslinuxTree('ifcpu64.c32', `DEFAULT auto\nLABEL auto\nKERNEL ifcpu64.c32\nAPPEND b -- a\n${menu}`),
  syslinuxTree(
    'ifcpu64.c32 with three',
    `DEFAULT auto\nLABEL auto\nCOM32 ifcpu64.c32\nAPPEND b quick -- x -- a\n${menu}`,
  ),
  syslinuxTree('ifcpu.c32', `DEFAULT auto\nLABEL auto\nCOM32 ifcpu.c32\nAPPEND 64 pae -- b -- a\n${menu}`),
  syslinuxTree('ifplop.c32', `DEFAULT auto\nLABEL auto\nCOM32 ifplop.c32\nAPPEND a -- b\n${menu}`),
  syslinuxTree('whichsys.c32', `DEFAULT auto\nLABEL auto\nCOM32 whichsys.c32\nAPPEND -iso- a -sys- b -pxe- a\n${menu}`),
  syslinuxTree(
    'whichsys.c32 to a menu',
    `DEFAULT auto\nLABEL auto\nCOM32 whichsys.c32\nAPPEND -iso- i -sys- s\nLABEL i\nCONFIG i.cfg\nLABEL s\nCONFIG s.cfg\n`,
    {
      [`${dir}/i.cfg`]: `DEFAULT a\n${menu}`,
      [`${dir}/s.cfg`]: `DEFAULT b\n${menu}`,
    },
  ),
  syslinuxTree('cmd.c32', `DEFAULT auto\nLABEL auto\nCOM32 cmd.c32\nAPPEND b more\n${menu}`),
  syslinuxTree(
    'menus that share an INCLUDE',
    `DEFAULT menu.c32\nTIMEOUT 1\nLABEL net\nCONFIG net.cfg\nLABEL disk\nMENU DEFAULT\nCONFIG disk.cfg\n`,
    {
      [`${dir}/net.cfg`]: `UI menu.c32\nTIMEOUT 1\n${label('n', 'one')}INCLUDE tail.cfg\n`,
      [`${dir}/disk.cfg`]: `UI menu.c32\nTIMEOUT 1\n${label('d', 'two')}INCLUDE tail.cfg\n`,
      [`${dir}/tail.cfg`]: label('check', 'one'),
    },
  ),
  syslinuxTree('CONFIG with a directory', 'DEFAULT go\nLABEL go\nCONFIG /other/o.cfg /other\n', {
    '/other/o.cfg': 'DEFAULT x\nLABEL x\nLINUX sub/k\nINITRD i\n',
    ...kernels('/other/sub/k'),
    ...initrds('/other/i'),
  }),
  syslinuxTree(
    'a submenu that is the default',
    `UI menu.c32\nTIMEOUT 1\n${label('a', 'one')}MENU BEGIN Sub\nMENU START\n${label('b', 'two')}MENU END\n`,
  ),
]

const refindDir = '/EFI/BOOT'
const arch = {
  ...kernels('/boot/vmlinuz-linux', '/boot/vmlinuz-linux-lts'),
  ...initrds('/boot/initramfs-linux.img', '/boot/initramfs-linux-lts.img', '/boot/ucode.img'),
}
const lines = (options: string) => ({ '/boot/refind_linux.conf': `"Standard" "${options}"\n"Other" "other"\n` })
const refindTree = (name: string, text: string, files: Readonly<Record<string, string>> = {}): LoaderTree => ({
  name,
  files: { ...arch, [`${refindDir}/refind.conf`]: text, ...files },
})
const stanza = (title: string, body: string) => `menuentry "${title}" {\n${body}\n}\n`

export const refindTrees: readonly LoaderTree[] = [
  refindTree(
    'a loader without a slash',
    `scanfor manual\n${stanza('A', 'loader boot/vmlinuz-linux\ninitrd boot/initramfs-linux.img\noptions "rw"')}`,
  ),
  refindTree(
    'initrd= in options, and an initrd line',
    `scanfor manual\n${stanza('A', 'loader /boot/vmlinuz-linux\ninitrd /boot/initramfs-linux.img\noptions "rw initrd=\\boot\\ucode.img"')}`,
  ),
  refindTree(
    'options before the loader',
    `scanfor manual\n${stanza('A', 'options "early"\ninitrd /boot/initramfs-linux.img\nloader /boot/vmlinuz-linux')}`,
  ),
  refindTree(
    'a disabled stanza, one after it',
    `scanfor manual\n${stanza('A', 'loader /boot/vmlinuz-linux\ndisabled')}${stanza('B', 'loader /boot/vmlinuz-linux-lts\noptions "b"')}`,
  ),
  refindTree(
    'default_selection by title',
    `scanfor manual\ndefault_selection "boot b"\n${stanza('A', 'loader /boot/vmlinuz-linux')}${stanza('B', 'loader /boot/vmlinuz-linux-lts\noptions "b"')}`,
  ),
  refindTree(
    'default_selection by number',
    `scanfor manual\ndefault_selection 2\n${stanza('A', 'loader /boot/vmlinuz-linux')}${stanza('B', 'loader /boot/vmlinuz-linux-lts\noptions "b"')}`,
  ),
  refindTree(
    'default_selection with a comma but no quotes',
    `scanfor manual\ndefault_selection x,B\n${stanza('A', 'loader /boot/vmlinuz-linux\noptions "a"')}${stanza('B', 'loader /boot/vmlinuz-linux-lts\noptions "b"')}`,
  ),
  refindTree(
    'an included file',
    `scanfor manual\ninclude more.conf\n${stanza('A', 'loader /boot/vmlinuz-linux\noptions "a"')}`,
    { [`${refindDir}/more.conf`]: stanza('M', 'loader /boot/vmlinuz-linux-lts\noptions "m"') },
  ),
  refindTree(
    'scanfor, stanzas first',
    `scanfor manual,internal\n${stanza('A', 'loader /boot/vmlinuz-linux\noptions "a"')}`,
    lines('found'),
  ),
  refindTree(
    'extra_kernel_version_strings and %v',
    'extra_kernel_version_strings linux-lts,linux\ndont_scan_files vmlinuz-linux\n',
    lines('rw initrd=boot\\ucode.img initrd=boot\\initramfs-%v.img'),
  ),
  refindTree(
    'dont_scan_files with a path',
    'dont_scan_files boot/vmlinuz-linux-lts\nextra_kernel_version_strings linux-lts,linux\n',
    lines('found'),
  ),
  refindTree(
    'dont_scan_dirs',
    `dont_scan_dirs boot\n${stanza('A', 'loader /boot/vmlinuz-linux\noptions "a"')}`,
    lines('found'),
  ),
  refindTree(
    'linux_prefixes',
    `linux_prefixes nothing\n${stanza('A', 'loader /boot/vmlinuz-linux\noptions "a"')}`,
    lines('found'),
  ),
  refindTree('versions without extra strings: the shortest initrd', 'dont_scan_files vmlinuz-linux\n', lines('rw')),
]

const uBootTree = (name: string, text: string, files: Readonly<Record<string, string>> = {}): LoaderTree => ({
  name,
  files: {
    ...kernels('/k1', '/extlinux/k2'),
    ...initrds('/i1', '/extlinux/i2'),
    '/extlinux/extlinux.conf': `timeout 1\n${text}`,
    ...files,
  },
})

export const uBootTrees: readonly LoaderTree[] = [
  uBootTree(
    'the default label',
    'default b\nlabel a\nlinux /k1\nappend one\nlabel b\nlinux k2\ninitrd i2\nappend two\n',
  ),
  uBootTree('the first label', 'label a\nlinux ../k1\ninitrd ../i1\nappend one\nlabel b\nlinux k2\n'),
  uBootTree('MENU DEFAULT', 'label a\nlinux /k1\nlabel b\nmenu default\nlinux k2\nappend two\n'),
  uBootTree('a default that is none', 'default gone\nlabel a\nlinux /k1\nappend one\n'),
  uBootTree('two INITRD lines', 'default a\nlabel a\nlinux /k1\ninitrd /i1\ninitrd i2\nappend x\n'),
  uBootTree('initrd= in APPEND', 'default a\nlabel a\nlinux /k1\nappend x initrd=/i1 y\n'),
  uBootTree('ONTIMEOUT', 'default a\nontimeout b\nlabel a\nlinux /k1\nlabel b\nlinux k2\nappend two\n'),
  uBootTree('a label of several words', 'default b c\nlabel a\nlinux /k1\nlabel b c\nlinux k2\nappend two\n'),
  uBootTree('an unknown keyword ends a label', 'default a\nlabel a\nlinux /k1\nappend one\nstrange x\nappend two\n'),
  uBootTree('an included file', 'default b\nlabel a\nlinux /k1\ninclude /more.conf\n', {
    '/more.conf': 'label b\nlinux k2\nappend inc\n',
  }),
]
