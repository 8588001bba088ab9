import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type KernelModule, modulesInOrder } from '../../src/vm/guest/modules.ts'
import { newestKernels, writeCpio } from '../../src/vm/index.ts'
import { startQemu } from '../../src/vm/machine/qemu.ts'
import { DebianMirror, packageFile } from '../../src/vm/provision/debian.ts'
import { Conversation } from './conversation.ts'

/** Bytes of the initrd's end that are compared one by one, for a message that shows something. */
const TAIL = 16 * 1024

/** Milliseconds that a boot may take, through firmware, boot loader and stub, on a busy machine. */
const DEADLINE = 240_000

/** Prints what the kernel was given, and the tree that it unpacked, on the second serial port. */
const init = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod $module; done
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
exec >/dev/ttyS1 2>&1
echo "@cmdline $(cat /proc/cmdline)"
find /.extra -exec stat -c '%a %n' {} + | sort -k 2 | sed 's/^/@file /'
find /.extra -type f -exec sha256sum {} + | sed 's/^/@hash /'
stat -c '@size %s' /sys/firmware/initrd
sha256sum </sys/firmware/initrd | sed 's/^/@sha256 /'
echo "@tail $(tail -c ${TAIL} /sys/firmware/initrd | base64 -w 0)"
variable() { tail -c +5 "/sys/firmware/efi/efivars/$1-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f" | tr -d '\\000'; }
echo "@selected $(variable LoaderEntrySelected)"
echo "@entries $(base64 -w 0 </sys/firmware/efi/efivars/LoaderEntries-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f)"
echo @end
poweroff -f
`

/** What a kernel was given by its boot loader. */
export interface Given {
  readonly commandLine: string
  /** '555 /.extra', in the order of names. */
  readonly files: readonly string[]
  readonly hashes: readonly string[]
  readonly initrd: InitrdSummary
  /** What systemd-boot calls its entries. */
  readonly entries: readonly string[]
}

/** An initrd as a whole. */
export interface InitrdSummary {
  readonly size: number
  readonly sha256: string
  /** Its last bytes. */
  readonly tail: Buffer
}

export function tailOf(initrd: Buffer): Buffer {
  return initrd.subarray(Math.max(0, initrd.length - TAIL))
}

/** UEFI firmware in QEMU, a kernel, and an initrd that tells what it finds. */
export class RealFirmware {
  readonly #directory = mkdtempSync(join(tmpdir(), 'linux-kexec-stub-'))
  readonly #code: string
  readonly #variables: string
  /** Of Linux 6.6 or later, which shows its initrd in /sys/firmware with retain_initrd. */
  readonly kernel: string
  readonly initrd: string

  private constructor(firmware: string, kernel: string) {
    this.#code = join(firmware, 'OVMF_CODE_4M.fd')
    this.#variables = join(firmware, 'OVMF_VARS_4M.fd')
    this.kernel = kernel
    this.initrd = join(this.#directory, 'initrd')
  }

  static async open(): Promise<RealFirmware> {
    const mirror = await DebianMirror.open()
    const packages = await mirror.fetch(['ovmf', 'busybox-static'], { dependencies: false })
    const directoryOf = (name: string) => packages.find((unpacked) => unpacked.name === name)?.directory ?? ''
    const [kernel] = await newestKernels({ count: 1 })
    const firmware = new RealFirmware(join(directoryOf('ovmf'), 'usr/share/OVMF'), kernel?.image ?? '')
    const modules = await modulesInOrder(kernel?.modules ?? '', ['efivarfs'])
    await firmware.#writeInitrd(modules, await packageFile(directoryOf('busybox-static'), 'bin/busybox'))
    return firmware
  }

  async #writeInitrd(modules: readonly KernelModule[], busybox: string): Promise<void> {
    const plain = `${this.initrd}.cpio`
    await writeCpio(plain, [
      { path: '/bin', directory: true },
      { path: '/bin/busybox', source: busybox, mode: 0o755 },
      { path: '/init', data: init, mode: 0o755 },
      { path: '/modules', directory: true },
      ...modules.map(({ contents }, index) => ({ path: `/modules/${index + 10}.ko`, data: contents })),
    ])
    writeFileSync(this.initrd, gzipSync(readFileSync(plain)))
  }

  close(): void {
    rmSync(this.#directory, { recursive: true })
  }

  /** Boots from a FAT disk with a copy of this directory. @returns what the kernel that came up was given */
  async boot(esp: string): Promise<Given> {
    const directory = mkdtempSync(join(this.#directory, 'machine-'))
    const disk = join(directory, 'disk')
    const variables = join(directory, 'variables')
    writeFat(disk, esp)
    copyFileSync(this.#variables, variables)
    chmodSync(variables, 0o600)
    const flash = (file: string, more: string) => ['-drive', `if=pflash,format=raw,file=${file}${more}`]
    const qemu = startQemu({
      ...{ accelerator: 'tcg', memory: 512, cpus: 1, survivesReset: false, direct: undefined },
      disks: [{ path: disk, readOnly: false }],
      extra: [...flash(this.#code, ',readonly=on'), ...flash(variables, '')],
    })
    try {
      const screen = new Conversation(qemu.console)
      const text = await new Conversation(qemu.control).expect('@end', DEADLINE).catch(async (error: Error) => {
        const shown = await screen.expect(/$/)
        throw new Error(`${error.message}\nThe first serial port says:\n${shown.slice(-4000)}`)
      })
      return parse(text)
    } finally {
      qemu.kill('SIGKILL')
      await qemu.exit
      rmSync(directory, { recursive: true })
    }
  }
}

function writeFat(disk: string, directory: string): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  const run = (program: string, args: string[]) =>
    execFileSync(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  writeFileSync(disk, '')
  truncateSync(disk, 96 * 1024 * 1024)
  run('mkfs.fat', ['-F', '32', disk])
  for (const name of readdirSync(directory)) run('mcopy', ['-s', '-Q', '-i', disk, join(directory, name), '::/'])
}

function parse(text: string): Given {
  const lines = (mark: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`@${mark} `) ? [line.slice(mark.length + 2)] : []))
  const only = (mark: string) => lines(mark)[0] ?? ''
  return {
    commandLine: only('cmdline'),
    files: lines('file'),
    hashes: lines('hash'),
    initrd: {
      size: Number(only('size')),
      sha256: only('sha256').split(' ')[0] ?? '',
      tail: Buffer.from(only('tail'), 'base64'),
    },
    entries: Buffer.from(only('entries'), 'base64').toString('utf16le', 4).split('\0').filter(Boolean),
  }
}
