import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileBytes } from '../../../src/bytes/bytes.ts'
import { errnoName } from '../../../src/errors.ts'
import { extractKernel } from '../../../src/image/unpack/extract.ts'
import { writeCpio } from '../../../src/vm/index.ts'
import { FileTree } from '../../../src/vm/initramfs/tree.ts'
import { DebianMirror, packageFile } from '../../../src/vm/provision/debian.ts'
import { foreignKernel, type Kernel } from '../../../src/vm/provision/kernels.ts'
import { captureScript } from './capture.ts'
import { parseAttempts, type ScenarioOutcome } from './outcome.ts'
import type { Scenario } from './scenarios.ts'

/** A machine that the harness does not run: its kernel has no kexec_file_load, as Debian builds it for all but x86_64. */
export const arm64: Scenario = {
  name: 'arm64',
  title: 'arm64, built without kexec_file_load',
  images: ['signed'],
}

const progress = (message: string) => console.error(`  ${message}`)

/** Milliseconds that the machine may run for, on a busy host. */
const DEADLINE = 240_000

/** System calls of arm64: include/uapi/asm-generic/unistd.h. */
const KEXEC_FILE_LOAD = 294
const KEXEC_LOAD = 104
/** KEXEC_FILE_NO_INITRAMFS; KEXEC_ARCH_AARCH64; more segments than there may be. */
const NO_INITRD = 4
const ARCHITECTURE = 183 << 16
const SEGMENTS = 17

/** What try-kexec.c does, in perl: the host need not have a compiler for the machine. Prints as that does. */
const tryKexec = `
sub report { my ($kind, $name, $result) = @_; printf "%s %s %d\\n", $kind, $name, $result == 0 ? 0 : $! + 0 }
my $line = "\\0";
open(my $image, '<', '/image') or die $!;
report('image', '/images/signed', syscall(${KEXEC_FILE_LOAD}, fileno($image), -1, 1, $line, ${NO_INITRD}));
report('call', 'kexec_load', syscall(${KEXEC_LOAD}, 0, ${SEGMENTS}, 0, ${ARCHITECTURE}));
`

const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t securityfs securityfs /sys/kernel/security
echo 1 > /proc/sys/kernel/printk
echo "@release $(uname -r)"
/bin/busybox sh /capture > /tmp/captured
echo "@captured $(base64 -w 0 /tmp/captured)"
perl /try-kexec.pl || echo "perl ended with $?"
echo @end
poweroff -f
`

/** Boots it, has it say what it is, and offers its own kernel to it. */
export async function runArm64(): Promise<{ readonly outcome: ScenarioOutcome; readonly captured: Buffer }> {
  const kernel = await foreignKernel({ architecture: 'arm64', flavour: 'cloud-arm64', suite: 'stable', progress })
  const directory = mkdtempSync(join(tmpdir(), 'linux-kexec-arm64-'))
  try {
    const image = join(directory, 'image')
    writeFileSync(image, await plainImage(kernel))
    await writeInitrd(join(directory, 'initrd'), kernel, image)
    const text = await boot(image, join(directory, 'initrd'))
    const line = (mark: string) => new RegExp(`^@${mark} (.*)$`, 'm').exec(text)?.[1] ?? ''
    const attempts = parseAttempts(text, errnoName)
    const captured = Buffer.from(line('captured'), 'base64')
    return { outcome: { title: arm64.title, kernel: line('release'), unknowable: null, ...attempts }, captured }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Out of what wraps it: this QEMU starts the plain image only. */
async function plainImage({ image }: Kernel): Promise<Buffer> {
  const fd = openSync(image, 'r')
  const extracted = await extractKernel(fileBytes(fd, readFileSync(image).length), { fd })
  try {
    return fileBytes(extracted.fd, extracted.size).read(0, extracted.size)
  } finally {
    extracted.close()
    closeSync(fd)
  }
}

async function writeInitrd(initrd: string, { release, config }: Kernel, image: string): Promise<void> {
  const mirror = await DebianMirror.open({ architecture: 'arm64', suites: ['stable'], progress })
  const tree = new FileTree({ mergedUsr: true })
  const packages = await mirror.fetch(['busybox-static', 'perl-base', 'libc6', 'libcrypt1'], { dependencies: false })
  for (const { directory } of packages) await tree.addDirectory(directory, '/', (path) => path.startsWith('/usr/share'))
  tree.add({ path: '/dev/console', device: { type: 'character', major: 5, minor: 1 } })
  tree.add({ path: '/init', data: init, mode: 0o755 })
  tree.add({ path: '/capture', data: captureScript })
  tree.add({ path: '/try-kexec.pl', data: tryKexec })
  tree.add({ path: '/image', source: image })
  if (config !== undefined) tree.add({ path: `/boot/config-${release}`, source: config })
  await writeCpio(initrd, tree.entries())
}

/** Its package is taken from the mirror and not installed: all that it is linked to comes with QEMU for x86. */
async function boot(kernel: string, initrd: string): Promise<string> {
  const mirror = await DebianMirror.open({ progress })
  const [qemu] = await mirror.fetch(['qemu-system-arm'], { dependencies: false })
  const program = await packageFile(qemu?.directory ?? '', 'bin/qemu-system-aarch64')
  const machine = [
    '-M',
    'virt',
    '-cpu',
    'max,pauth-impdef=on',
    '-m',
    '1024',
    '-nic',
    'none',
    '-nographic',
    '-no-reboot',
  ]
  const commandLine = ['-append', 'console=ttyAMA0 panic=-1 quiet']
  const words = execFileSync(program, [...machine, '-kernel', kernel, '-initrd', initrd, ...commandLine], {
    timeout: DEADLINE,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    encoding: 'utf8',
  })
  return words.replaceAll('\r', '')
}
