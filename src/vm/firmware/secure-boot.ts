import { createHash } from 'node:crypto'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GuestKernel } from '../guest/guest.ts'
import { cacheDirectory, cachedDirectory, prune } from '../host/cache.ts'
import { execute } from '../host/process.ts'
import type { Flash } from '../machine/qemu.ts'
import { DebianMirror, type Progress, packageFile } from '../provision/debian.ts'
import { firmwarePackage } from './firmware.ts'
import {
  certificateList,
  digestList,
  extendedDatabase,
  machineOwnerKeys,
  secureBootOff,
  validationDisabled,
  writeVariables,
} from './firmware-variables.ts'
import { plainCommandLine } from './grub.ts'

/** Bytes of an EFI system partition beyond the kernel and its initrd. */
const ROOM = 16 * 1024 * 1024

/** The most entries kept in the cache, and the time in milliseconds that others stay after their last use. */
const KEPT = 8
const AGE = 24 * 60 * 60 * 1000

/** The firmware's keys and switches. All certificates are X.509 in DER. */
export interface FirmwareOptions {
  /** Whether the firmware checks signatures. Its keys are Microsoft's, as on machines that are sold. Default: true. */
  readonly secureBoot?: boolean
  /** Certificates to add to the firmware's own list (db). */
  readonly certificates?: readonly Buffer[]
  /** Certificates to enrol with shim: Machine Owner Keys, as `mokutil --import` and a reboot would. */
  readonly machineOwnerKeys?: readonly Buffer[]
  /** SHA-256 Authenticode digests to forbid (dbx). */
  readonly forbidden?: readonly Buffer[]
  /** shim's own switch, `mokutil --disable-validation`. Default: true. */
  readonly validation?: boolean
}

/** Debian's build of edk2 for QEMU, that insists on system management mode, with these keys and switches. */
export async function secureFirmware(options: FirmwareOptions, progress: Progress): Promise<Flash> {
  const part = await firmwarePackage('ovmf', progress)
  const template = await readFile(await part('OVMF/OVMF_VARS_4M.ms.fd'))
  const variables = writeVariables(template, changedVariables(template, options))
  const key = createHash('sha256').update(variables).digest('hex').slice(0, 32)
  const directory = await cachedDirectory(join(cacheDirectory(), 'firmware', key), (unfinished) =>
    writeFile(join(unfinished, 'variables.fd'), variables),
  )
  await prune(join(cacheDirectory(), 'firmware'), KEPT, AGE)
  return { code: await part('OVMF/OVMF_CODE_4M.secboot.fd'), variables: join(directory, 'variables.fd'), secure: true }
}

function changedVariables(template: Buffer, options: FirmwareOptions) {
  const { certificates = [], machineOwnerKeys: own = [], forbidden = [] } = options
  return [
    ...(options.secureBoot === false ? [secureBootOff] : []),
    ...(options.validation === false ? [validationDisabled] : []),
    ...(certificates.length > 0 ? [extendedDatabase(template, 'db', certificates.map(certificateList))] : []),
    ...(forbidden.length > 0 ? [extendedDatabase(template, 'dbx', forbidden.map(digestList))] : []),
    ...(own.length > 0 ? [machineOwnerKeys(own.map(certificateList))] : []),
  ]
}

/**
 * An EFI system partition with Debian's shim, signed by Microsoft, which checks Debian's GRUB, which has shim check the
 * kernel. The kernel and its initrd lie beside them: this GRUB reads no cpio archive.
 * @returns path of the disk image: a FAT file system without a partition table, which firmware takes, too
 * @throws RangeError for a command line that GRUB's shell would take apart
 */
export async function shimDisk(kernel: GuestKernel, commandLine: string, progress: Progress): Promise<string> {
  if (!plainCommandLine.test(commandLine)) throw new RangeError(`not a command line for grub: ${commandLine}`)
  const mirror = await DebianMirror.open({ progress })
  const packages = await mirror.fetch(['shim-signed', 'grub-efi-amd64-signed'], { dependencies: false })
  const directoryOf = (name: string) => packages.find((entry) => entry.name === name)?.directory ?? ''
  const names = [`vmlinuz-${kernel.release}`, `initrd.img-${kernel.release}`] as const
  const config = [`linux /${names[0]} ${commandLine}`, `initrd /${names[1]}`, 'boot', ''].join('\n')
  const sources = [
    await packageFile(directoryOf('shim-signed'), 'lib/shim/shimx64.efi.signed'),
    await packageFile(directoryOf('grub-efi-amd64-signed'), 'lib/grub/x86_64-efi-signed/grubx64.efi.signed'),
    kernel.kernel,
    kernel.initrd,
  ] as const
  const disks = join(cacheDirectory(), 'boot-disks')
  const key = createHash('sha256')
    .update([...sources, config].join('\0'))
    .digest('hex')
    .slice(0, 32)
  const directory = await cachedDirectory(join(disks, key), async (unfinished) => {
    const disk = join(unfinished, 'disk.img')
    await writeFile(join(unfinished, 'grub.cfg'), config)
    await makeFat(disk, [
      [sources[0], '/EFI/BOOT/BOOTX64.EFI'],
      [sources[1], '/EFI/BOOT/grubx64.efi'],
      [join(unfinished, 'grub.cfg'), '/EFI/debian/grub.cfg'],
      [sources[2], `/${names[0]}`],
      [sources[3], `/${names[1]}`],
    ])
  })
  await prune(disks, KEPT, AGE)
  return join(directory, 'disk.img')
}

async function makeFat(disk: string, files: readonly (readonly [source: string, path: string])[]): Promise<void> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  const sizes = await Promise.all(files.map(async ([source]) => (await readFile(source)).length))
  const handle = await open(disk, 'wx')
  await handle.truncate(Math.ceil((ROOM + sizes.reduce((sum, size) => sum + size, 0)) / ROOM) * ROOM)
  await handle.close()
  await execute('mkfs.fat', [disk], { env })
  await execute('mmd', ['-i', disk, '::/EFI', '::/EFI/BOOT', '::/EFI/debian'], { env })
  for (const [source, path] of files) await execute('mcopy', ['-i', disk, source, `::${path}`], { env })
}
