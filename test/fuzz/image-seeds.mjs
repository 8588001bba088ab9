import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { archiveOf } from './archive.mjs'

const fixtures = join(import.meta.dirname, '../fixtures/kernels')
const text = Buffer.from('Linux version 6.6.1-test (me@here) #1 SMP\n\0'.repeat(3) + 'some more text, '.repeat(60))

/** As the programs make them: small, so that mutations reach what matters. */
const compressors = {
  gzip: [['gzip', '-9']],
  bzip2: [['bzip2', '-9']],
  xz: [
    ['xz', '--check=crc32'],
    ['xz', '--check=sha256', '--x86', '--lzma2=dict=64KiB'],
    ['xz', '--check=none', '--arm64', '--delta=dist=2', '--lzma2=dict=4KiB,lc=0'],
    ['xz', '--block-size=300'],
  ],
  lzma: [['lzma', '-9']],
  lz4: [
    ['lz4', '-9'],
    ['lz4', '-l'],
    ['lz4', '-BD', '-BX', '-B4'],
    ['lz4', '--no-frame-crc', '-BD'],
  ],
  zstd: [
    ['zstd', '-q', '-19'],
    ['zstd', '-q', '-1'],
    ['zstd', '-q', '--no-check'],
  ],
}

/** A text as each compressor packs it. */
export function streams(name, input = text) {
  return compressors[name].map(([program, ...args]) => execFileSync(program, [...args, '-c'], { input, stdio: 'pipe' }))
}

/** Images by mkimage, dtc and mkbootimg, and PE files by hand. */
export function containers() {
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-seeds-'))
  try {
    return makeContainers(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function makeContainers(directory) {
  const run = (program, ...args) => execFileSync(program, args, { cwd: directory, stdio: 'pipe' })
  const made = (name) => readFileSync(join(directory, name))
  writeFileSync(join(directory, 'kernel'), streams('gzip')[0])
  writeFileSync(join(directory, 'initrd'), archiveOf({ init: 'x' }))
  writeFileSync(join(directory, 'board.dts'), board)
  writeFileSync(join(directory, 'fit.its'), imageTree)
  run('dtc', '-O', 'dtb', '-o', 'board.dtb', 'board.dts')
  run('mkimage', '-f', 'fit.its', 'inside.itb')
  run('mkimage', '-E', '-f', 'fit.its', 'behind.itb')
  const facts = ['-A', 'arm64', '-O', 'linux', '-C', 'gzip', '-n', 'name']
  run('mkimage', ...facts, '-T', 'kernel', '-d', 'kernel', 'uImage')
  run('mkimage', ...facts, '-T', 'ramdisk', '-d', 'initrd', 'uInitrd')
  run('mkimage', ...facts, '-T', 'multi', '-d', 'kernel:initrd', 'multi')
  const boot = ['--kernel', 'kernel', '--ramdisk', 'initrd', '--cmdline', 'quiet']
  run('mkbootimg', ...boot, '--pagesize', '2048', '--header_version', '1', '-o', 'boot1')
  run('mkbootimg', ...boot, '--header_version', '3', '-o', 'boot3')
  run(
    'mkbootimg',
    '--vendor_ramdisk',
    'initrd',
    '--dtb',
    'board.dtb',
    '--header_version',
    '3',
    '--vendor_boot',
    'vendor',
  )
  const heads = ['arm64-6.1.0-50-cloud', 'riscv64-6.12.107+deb13', 'armhf-6.1.0-50-rt-armmp']
  const kernels = heads.map((name) => readFileSync(join(fixtures, `${name}.head`)))
  return {
    fit: [made('inside.itb'), made('behind.itb'), made('board.dtb')],
    uimage: [made('uImage'), made('multi')],
    ramdisk: [made('uInitrd')],
    tree: [made('board.dtb')],
    android: [made('boot1'), made('boot3'), made('vendor')],
    'unified-image': [peOf(['.cmdline', '.osrel', '.uname', '.initrd', '.ucode', '.linux', '.profile', '.cmdline'])],
    zboot: [zboot()],
    'linux-image': kernels,
    vmlinux: [readFileSync('/bin/true').subarray(0, 8192)],
    'compressed-image': Object.keys(compressors).flatMap((name) => streams(name)),
    s390: [gunzipSync(readFileSync(join(fixtures, 's390x-6.1.0-50.head.gz')))],
  }
}

const board = `/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ {
  #address-cells = <2>; #size-cells = <2>; compatible = "a,b", "c"; model = "A";
  chosen { bootargs = "quiet"; stdout-path = "serial0"; linux,initrd-start = <0 0x1000>; };
  memory@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0x40000000>; };
  reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges; r@90000000 { reg = <0 0x90000000 0 0x1000>; no-map; }; };
};`

const imageTree = `/dts-v1/;
/ {
  description = "d";
  images {
    k { data = /incbin/("kernel"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "gzip"; load = <0>;
      entry = <0>; hash-1 { algo = "crc32"; }; };
    r { data = /incbin/("initrd"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none"; };
    f { data = /incbin/("board.dtb"); type = "flat_dt"; arch = "arm64"; compression = "none"; hash-1 { algo = "sha1"; }; };
  };
  configurations { default = "c"; c { kernel = "k"; ramdisk = "r"; fdt = "f"; }; };
};`

function peOf(names) {
  const head = Buffer.alloc(512)
  head.write('MZ')
  head.writeUInt32LE(0x40, 0x3c)
  head.write('PE\0\0', 0x40, 'latin1')
  head.writeUInt16LE(0x8664, 0x44)
  head.writeUInt16LE(names.length, 0x46)
  for (const [index, name] of names.entries()) {
    const at = 0x40 + 24 + 40 * index
    head.write(name, at)
    head.writeUInt32LE(40, at + 8)
    head.writeUInt32LE(64, at + 16)
    head.writeUInt32LE(512 + 64 * index, at + 20)
  }
  return Buffer.concat([head, Buffer.alloc(64 * names.length, 'ID=a\nTITLE=b\n')])
}

function zboot() {
  const [packed] = streams('xz')
  const head = Buffer.alloc(128)
  head.write('MZ\0\0zimg', 0, 'latin1')
  head.writeUInt32LE(128, 8)
  head.writeUInt32LE(packed.length, 12)
  head.write('xz', 0x18)
  head.writeUInt32LE(0x40, 0x3c)
  return Buffer.concat([head, packed])
}
