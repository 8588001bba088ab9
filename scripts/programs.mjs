// Other programs the scripts run, and the Debian package that brings each one that may be missing.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const packages = {
  readelf: 'binutils',
  strip: 'binutils',
  objcopy: 'binutils',
  objdump: 'binutils',
  mkimage: 'u-boot-tools',
  dumpimage: 'u-boot-tools',
  unpack_bootimg: 'mkbootimg',
  dtc: 'device-tree-compiler',
  lzma: 'xz-utils',
  xz: 'xz-utils',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-system-aarch64': 'qemu-system-arm',
  'qemu-system-ppc64': 'qemu-system-ppc',
  'qemu-system-riscv64': 'qemu-system-misc',
  'qemu-system-s390x': 'qemu-system-misc',
  mke2fs: 'e2fsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.fat': 'dosfstools',
  mcopy: 'mtools',
  sbverify: 'sbsigntool',
  sbsign: 'sbsigntool',
  sbattach: 'sbsigntool',
  evmctl: 'ima-evm-utils',
  bsdtar: 'libarchive-tools',
  mksquashfs: 'squashfs-tools',
  'mkfs.cramfs': 'util-linux',
}

/** Ends this process with a plain message when one of the programs is not in PATH. */
export function requirePrograms(programs, purpose) {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) return
  console.error(
    `${purpose} needs ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} not installed. Run:`,
  )
  console.error(`  apt-get install ${missing.map(packageOf).join(' ')}`)
  process.exit(1)
}

export function isInstalled(program) {
  if (program.includes('/')) return isExecutable(program)
  // An ordinary user's PATH may lack the folders of mke2fs and its like.
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) =>
    isExecutable(join(folder, program)),
  )
}

/** Runs a program with our own output. False when it failed, after saying so. */
export function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, { stdio: 'inherit', ...options })
  if (status === 0) return true
  console.error(
    `${[program, ...args].join(' ')}: ${error?.message ?? (signal ? `killed by ${signal}` : `exit ${status}`)}`,
  )
  return false
}

export function packageOf(program) {
  // Cross compilers: aarch64-linux-gnu-g++ is in g++-aarch64-linux-gnu.
  const cross = /^(.+-linux-gnu\w*)-(g\+\+|gcc)$/.exec(program)
  return cross ? `${cross[2]}-${cross[1]}` : (packages[program] ?? program)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
