// Every program that set-up, harness, scripts and tests start, and the Debian package that brings each one. Set-up installs from
// this list alone, and test/unit/vm/programs.test.ts looks for programs that are not in it.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What each job starts. Those that Debian always has are here too: elsewhere they may be missing. */
export const jobs = {
  /** Compiling the addon, and packing the tarball. */
  build: ['g++', 'gcc', 'make', 'python3', 'strip', 'readelf', 'npm', 'sh'],
  /** src/vm: kernels and packages from a Debian mirror, guests, disks for their firmware, machines. */
  harness: [
    ...['apt-get', 'apt-cache', 'dpkg', 'dpkg-deb', 'flock', 'tar', 'xz', 'zstd', 'npm'],
    ...['mkfs.fat', 'mmd', 'mcopy', 'setpriv', 'qemu-system-x86_64'],
  ],
  /** test/: programs that make images, archives, disks and signatures, and others that read ours. */
  tests: [
    ...['mkimage', 'dtc', 'mkbootimg', 'objcopy', 'objdump', 'ld', 'ar', 'aarch64-linux-gnu-objdump'],
    ...['gzip', 'bzip2', 'xz', 'lzma', 'lz4', 'lzop', 'zstd'],
    ...['file', 'dumpimage', 'unpack_bootimg', 'cpio', 'bsdtar', 'busybox', 'readelf'],
    ...['debugfs', 'mke2fs', 'mkfs.btrfs', 'mkfs.fat', 'mmd', 'mcopy', 'mkfs.cramfs', 'mksquashfs'],
    ...['sbverify', 'osslsigncode', 'openssl', 'sbsign', 'sbattach', 'evmctl'],
    ...['sh', 'dash', 'bash', 'cat', 'cp', 'rm', 'mkfifo', 'mknod', 'true', 'date', 'sleep'],
    ...['getconf', 'unshare', 'chroot', 'chmod', 'gcc', 'python3', 'tar', 'git'],
  ],
  bench: ['objcopy', 'zstd', 'xz', 'cpio', 'gcc'],
  lint: ['clang-format', 'clang-tidy'],
  native: ['cmake', 'make', 'g++', 'gcc', 'readelf'],
  /** scripts/test-fresh.mjs. */
  fresh: ['mmdebstrap', 'apt-get', 'apt-config', 'unshare', 'git', 'cp', 'npm'],
}

/** By Node's names of other machines: the emulator of each, and what compiles the addon for it. */
export const foreign = {
  arm64: ['qemu-system-aarch64', 'aarch64-linux-gnu-g++'],
  riscv64: ['qemu-system-riscv64', 'riscv64-linux-gnu-g++'],
  arm: ['qemu-system-arm', 'arm-linux-gnueabihf-g++'],
  ppc64: ['qemu-system-ppc64', 'powerpc64le-linux-gnu-g++'],
  s390x: ['qemu-system-s390x', 's390x-linux-gnu-g++'],
}

/** Packages whose name is not that of the program. */
const packages = {
  readelf: 'binutils',
  strip: 'binutils',
  objcopy: 'binutils',
  objdump: 'binutils',
  ld: 'binutils',
  ar: 'binutils',
  'aarch64-linux-gnu-objdump': 'binutils-aarch64-linux-gnu',
  mkimage: 'u-boot-tools',
  dumpimage: 'u-boot-tools',
  unpack_bootimg: 'mkbootimg',
  dtc: 'device-tree-compiler',
  lzma: 'xz-utils',
  xz: 'xz-utils',
  dpkg: 'dpkg',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  'apt-cache': 'apt',
  'apt-config': 'apt',
  flock: 'util-linux',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  sh: 'dash',
  getconf: 'libc-bin',
  chroot: 'coreutils',
  chmod: 'coreutils',
  cat: 'coreutils',
  cp: 'coreutils',
  rm: 'coreutils',
  mkfifo: 'coreutils',
  mknod: 'coreutils',
  true: 'coreutils',
  date: 'coreutils',
  sleep: 'coreutils',
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-system-aarch64': 'qemu-system-arm',
  'qemu-system-ppc64': 'qemu-system-ppc',
  'qemu-system-riscv64': 'qemu-system-misc',
  'qemu-system-s390x': 'qemu-system-misc',
  debugfs: 'e2fsprogs',
  mke2fs: 'e2fsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.fat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
  sbverify: 'sbsigntool',
  sbsign: 'sbsigntool',
  sbattach: 'sbsigntool',
  evmctl: 'ima-evm-utils',
  bsdtar: 'libarchive-tools',
  mksquashfs: 'squashfs-tools',
  'mkfs.cramfs': 'util-linux-extra',
}

/** In releases of Debian where an emulator has a package of its own. */
const sincePackagedApart = {
  'qemu-system-riscv64': 'qemu-system-riscv',
  'qemu-system-s390x': 'qemu-system-s390x',
}

/** What is missing of all that some jobs start. */
export function missingFor(...names) {
  return [...new Set(names.flatMap((name) => jobs[name] ?? foreign[name]))].filter((program) => !isInstalled(program))
}

/** Ends this process with a plain message when one of the programs is not in PATH. */
export function requirePrograms(programs, purpose) {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) return
  console.error(
    `${purpose} needs ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} not installed. Run:`,
  )
  console.error(`  apt-get install ${missing.map((program) => packageOf(program)).join(' ')}`)
  process.exit(1)
}

export function isInstalled(program) {
  if (program.includes('/')) return isExecutable(program)
  return pathWithSystemDirectories()
    .split(delimiter)
    .some((directory) => isExecutable(join(directory, program)))
}

/** PATH, and the directories of mke2fs and its like, which an ordinary user's may lack. */
export function pathWithSystemDirectories() {
  const directories = (process.env.PATH ?? '').split(delimiter)
  return [...directories, ...['/usr/sbin', '/sbin'].filter((directory) => !directories.includes(directory))].join(
    delimiter,
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

/** @param exists whether apt knows a package: programs have moved from one to another between releases of Debian */
export function packageOf(program, exists = () => false) {
  const apart = sincePackagedApart[program]
  if (apart !== undefined && exists(apart)) return apart
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
