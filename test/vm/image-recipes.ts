import type { Ingredients, Recipe, Workshop } from './images.ts'

/** A kernel compressed as a shell would. */
function compressed(name: string, program: string, ...args: readonly string[]): Recipe {
  return {
    name,
    holds: 'kernel',
    chain: [program, 'bzImage'],
    make: (shop, { kernel, image }) => void shop.compress(kernel, image, program, ...args),
  }
}

function uImage(name: string, chain: readonly string[], packed: boolean, ...args: readonly string[]): Recipe {
  return {
    name,
    holds: 'kernel',
    chain: ['uImage', ...chain],
    make(shop, { kernel, image }) {
      const content = packed ? shop.compress(kernel, shop.path('kernel.gz'), 'gzip') : kernel
      shop.run('mkimage', '-A', 'x86_64', '-O', 'linux', '-T', 'kernel', '-n', 'Debian', ...args, '-d', content, image)
    },
  }
}

/** A FIT image as U-Boot's own examples have it: kernel and ramdisk, each with a hash, and one configuration. */
function fitImage(name: string, program: 'gzip' | 'zstd', hash: string, ...args: readonly string[]): Recipe {
  return {
    name,
    holds: 'kernel and initrd',
    chain: ['FIT', 'bzImage'],
    make(shop, { kernel, initrd, image }) {
      const packed = shop.compress(kernel, shop.path('fit-kernel'), program)
      const source = shop.write('fit.its', fitSource(packed, initrd, program, hash))
      shop.run('mkimage', ...args, '-f', source, image)
    },
  }
}

const fitSource = (kernel: string, initrd: string, compression: string, hash: string) => `/dts-v1/;
/ {
  description = "Debian";
  images {
    kernel-1 { description = "Linux"; data = /incbin/("${kernel}"); type = "kernel"; arch = "x86_64"; os = "linux";
      compression = "${compression}"; load = <0x1000000>; entry = <0x1000000>; hash-1 { algo = "${hash}"; }; };
    ramdisk-1 { description = "initrd"; data = /incbin/("${initrd}"); type = "ramdisk"; arch = "x86_64"; os = "linux";
      compression = "none"; hash-1 { algo = "${hash}"; }; };
  };
  configurations { default = "conf-1"; conf-1 { kernel = "kernel-1"; ramdisk = "ramdisk-1"; }; };
};
`

function android(version: number, program?: 'gzip' | 'lz4'): Recipe {
  return {
    name: `Android boot image, version ${version}`,
    holds: 'all',
    chain: ['Android boot image', 'bzImage'],
    make(shop, { kernel, initrd, commandLine, image }) {
      const flags = program === 'lz4' ? ['-l'] : []
      const content = program ? shop.compress(kernel, shop.path('android'), program, ...flags) : kernel
      const dtb = version === 2 ? ['--dtb', deviceTree(shop)] : []
      const parts = ['--kernel', content, '--ramdisk', initrd, '--cmdline', commandLine, ...dtb]
      shop.mkbootimg('--header_version', String(version), ...parts, '-o', image)
    },
  }
}

/** Version 2 must have one; no x86 machine looks at it. */
function deviceTree(shop: Workshop): string {
  const source = shop.write('board.dts', '/dts-v1/; / { compatible = "maker,board"; };')
  shop.run('dtc', '-O', 'dtb', '-o', shop.path('board.dtb'), source)
  return shop.path('board.dtb')
}

const systemdUki: Recipe = {
  name: 'UKI by objcopy',
  holds: 'all',
  chain: ['UKI', 'bzImage'],
  make(shop, { kernel, initrd, commandLine, release, image }) {
    shop.addSections(image, [
      ['.osrel', shop.write('osrel', 'PRETTY_NAME="Debian in a UKI"\n')],
      ['.uname', shop.write('uname', release)],
      ['.cmdline', shop.write('cmdline', commandLine)],
      ['.initrd', initrd],
      ['.linux', kernel],
    ])
  },
}

/** What ukify is told of a whole UKI: microcode, two initrds. */
function whole({ kernel, initrd, second, microcode, commandLine, release }: Ingredients): string[] {
  const initrds = [`--microcode=${microcode}`, `--initrd=${initrd}`, `--initrd=${second}`]
  return [`--linux=${kernel}`, `--uname=${release}`, `--cmdline=${commandLine}`, ...initrds]
}

const ukify: Recipe = {
  name: 'UKI by ukify, with microcode and two initrds',
  holds: 'all',
  chain: ['UKI', 'bzImage'],
  extras: true,
  make: (shop, ingredients) => shop.ukify(shop.stubs.image, ...whole(ingredients), '--output', ingredients.image),
}

const profiles: Recipe = {
  name: 'UKI by ukify, its second profile',
  holds: 'all',
  chain: ['UKI', 'bzImage'],
  extras: true,
  profile: 1,
  make(shop, ingredients) {
    const profile = shop.path('profile.efi')
    const commandLine = `--cmdline=${ingredients.commandLine} profile=1`
    shop.ukify(shop.stubs.part, '--profile', 'ID=second\nTITLE=Second', commandLine, '--output', profile)
    const base = ['--profile', 'ID=first\nTITLE=First', '--join-profile', profile]
    shop.ukify(shop.stubs.image, ...whole(ingredients), ...base, '--output', ingredients.image)
  },
}

/** Made by the programs that make them in the field. */
export const recipes: readonly Recipe[] = [
  systemdUki,
  ukify,
  profiles,
  fitImage('FIT image with a gzip kernel', 'gzip', 'sha256'),
  fitImage('FIT image with a zstd kernel, its files behind the tree', 'zstd', 'sha512', '-E'),
  uImage('uImage', ['bzImage'], false, '-C', 'none'),
  uImage('uImage with gzip', ['bzImage'], true, '-C', 'gzip'),
  uImage('uImage of a gzip kernel that it takes for uncompressed', ['gzip', 'bzImage'], true, '-C', 'none'),
  {
    name: 'uImage of several files',
    holds: 'kernel and initrd',
    chain: ['uImage', 'bzImage'],
    make(shop, { kernel, initrd, image }) {
      const facts = ['-A', 'x86_64', '-O', 'linux', '-T', 'multi', '-C', 'none', '-n', 'both']
      shop.run('mkimage', ...facts, '-d', `${kernel}:${initrd}`, image)
    },
  },
  android(0),
  android(1, 'gzip'),
  android(2),
  android(3),
  android(4, 'lz4'),
  compressed('gzip', 'gzip'),
  { ...compressed('gzip, given as bytes in memory', 'gzip'), given: 'bytes' },
  { ...uImage('uImage, given as an HTTP stream', ['bzImage'], false, '-C', 'none'), given: 'stream' },
  compressed('xz', 'xz', '-1'),
  compressed('zstd', 'zstd'),
  compressed('lz4', 'lz4'),
  compressed('lz4, legacy frames', 'lz4', '-l'),
  compressed('bzip2', 'bzip2'),
  compressed('lzma', 'lzma', '-1'),
]
