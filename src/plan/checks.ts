import { machine } from 'node:os'
import { posix } from 'node:path'
import { status } from '../engine/status.ts'
import { KexecError } from '../errors.ts'
import { engineFor, type OpenImage } from '../image/index.ts'
import { readPrivileges } from '../policy/privileges.ts'
import type { System } from '../system/system.ts'
import type { Findings } from './decision.ts'
import type { PlannedInitrd } from './initrds.ts'
import type { PlannedKernel } from './kernel.ts'
import type { PlanOptions } from './options.ts'
import { formatBytes } from './text.ts'
import { explicitCommandLineWarning } from './unified.ts'

/** Refuses a file that kexec_file_load would not take, named for what it is. */
export function checkKernel(system: System, kernel: PlannedKernel, findings: Findings): void {
  const { image, file, contents } = kernel
  const { path } = file
  const refuse = (reason: ConstructorParameters<typeof KexecError>[1]['reason'], summary: string, hint: string) =>
    findings.refuse(new KexecError(summary, { reason, path, hint, refused: true, code: 'ENOEXEC' }))
  const running = system.isLive ? machine() : null
  if (kernel.vendor === null && /^Android boot image/.test(kernel.chain[0]?.format ?? '') && isSplit(kernel)) {
    findings.warn(
      `${path} has a vendor boot image beside it, with the first part of the ramdisk and of the command line: give it with --vendor-boot`,
    )
  }
  const damage = (kernel.unified ?? { problems: contents.flatMap(({ problems }) => problems) }).problems
  if (damage.length > 0) {
    refuse('damaged-image', `${kernel.chain[0]?.description}: ${damage.join('; ')}`, 'Copy or make the image again.')
  } else if (image.architecture !== null && running !== null && image.architecture !== running) {
    refuse(
      'wrong-architecture',
      `this is ${image.description}, and this machine is ${running}`,
      `Choose a kernel built for ${running}.`,
    )
  } else if (image.minimumSize !== null && kernel.chain.length === 1 && file.size < image.minimumSize) {
    refuse(
      'truncated-kernel',
      `${image.description}: ${image.problems.join('; ')}`,
      'Copy or install the kernel again.',
    )
  } else if (engineFor(image).engine === 'segments') {
    refuse(
      'not-a-kernel',
      `this is ${image.description}, which kexec_file_load does not take: ${engineFor(image).reason}`,
      'Give a bzImage or what holds one; kexec_load, which takes it, is not in this version.',
    )
  } else if (!image.bootable) {
    const what = image.problems.length > 0 ? `${image.description}: ${image.problems.join('; ')}` : image.description
    refuse(
      'not-a-kernel',
      `this is ${what}, not a kernel that kexec_file_load takes`,
      'Give a bzImage, such as /boot/vmlinuz-VERSION or arch/x86/boot/bzImage.',
    )
  }
}

/** What kexec does otherwise than the stub of a unified kernel image would. */
export function checkUnified({ unified }: PlannedKernel, options: PlanOptions, findings: Findings): void {
  if (unified === null) return
  for (const warning of unified.warnings) findings.warn(warning)
  const isOwn = options.commandLine === undefined && !options.reuseCommandLine && !options.append && !options.remove
  const warning = isOwn ? null : explicitCommandLineWarning(unified)
  if (warning !== null) findings.warn(warning)
}

/** Android's boot images are split in two from header version 3 on. */
function isSplit({ chain }: PlannedKernel): boolean {
  return chain[0]?.facts.some(({ name, value }) => name === 'header version' && Number(value) >= 3) ?? false
}

/** What kernels with CONFIG_BLK_DEV_RAM mount as a disk: identify_ramdisk_image of init/do_mounts_rd.c. */
const RAM_DISKS = new Set(['squashfs', 'cramfs', 'romfs', 'ext'])

/** Refuses what cannot be an initrd, named for what it is. */
export function checkInitrd({ image, path }: PlannedInitrd, findings: Findings): void {
  if (image === null || image.format === 'cpio' || image.compression !== null) return
  if (RAM_DISKS.has(image.format)) {
    findings.warn(
      `${path} is ${image.description}: only a kernel that mounts it as a RAM disk (root=/dev/ram0) makes use of it`,
    )
    return
  }
  findings.refuse(
    new KexecError(`this is ${image.description}, neither a cpio archive nor a compressed one`, {
      reason: 'not-an-initrd',
      path,
      hint: 'Make it again (update-initramfs -u, dracut -f, mkinitcpio -P), or load with --no-initrd.',
      refused: true,
    }),
  )
}

/** Warns when someone other than the owner could have put another kernel in place: whoever writes it runs as the kernel. */
export function checkWritable(system: System, file: OpenImage, findings: Findings): void {
  const OTHERS_WRITE = 0o002
  const STICKY = 0o1000
  if (file.stats === null) return
  if (file.stats.mode & OTHERS_WRITE)
    findings.warn(`${file.path} is writable by every user: anyone could replace what is loaded`)
  const folder = posix.dirname(file.path)
  const mode = system.stat(folder)?.mode ?? 0
  if (mode & OTHERS_WRITE && !(mode & STICKY))
    findings.warn(`${folder} is writable by every user: anyone could replace ${posix.basename(file.path)}`)
}

/** Warns when the new kernel would come up without its modules. */
export function checkModules(system: System, version: string | null, findings: Findings): void {
  if (version === null) return
  const folders = [`/usr/lib/modules/${version}`, `/lib/modules/${version}`]
  if (folders.some((folder) => system.stat(folder)?.isDirectory())) return
  findings.warn(`there is no /lib/modules/${version}: the new kernel will find no modules on this root file system`)
}

/** Warns when kernel and initrd together are larger than the memory that is free now. */
export function checkMemory(
  system: System,
  kernel: PlannedKernel,
  initrds: readonly PlannedInitrd[],
  findings: Findings,
): void {
  const available = /^MemAvailable:\s*(\d+) kB/m.exec(system.readText('/proc/meminfo') ?? '')?.[1]
  if (available === undefined) return
  const initrdBytes = initrds.reduce((sum, initrd) => sum + initrd.size, 0)
  const needed = initrdBytes + (kernel.image.memoryNeeded ?? kernel.file.size)
  if (needed <= Number(available) * 1024) return
  findings.warn(
    `kernel and initrd need ${formatBytes(needed)} and only ${formatBytes(Number(available) * 1024)} of memory are available`,
  )
}

/** What the running machine holds already, and what this user may not do. */
export function checkMachine(system: System, panic: boolean, findings: Findings): void {
  if (!system.isLive) return
  if (panic && status(system).crashLoaded) {
    findings.warn(
      'a crash kernel is loaded, and the kernel frees it first: should this load fail, none is loaded any more',
    )
  }
  const privileges = readPrivileges(system)
  if (!privileges.capable)
    findings.warn(
      'this process does not have CAP_SYS_BOOT: planning needs no privilege, but loading does (run as root)',
    )
  else if (!privileges.initialUserNamespace)
    findings.warn('this process is not in the initial user namespace, where alone loading is allowed')
}
