import { hasParameter, parametersNamed } from '../../cmdline/look-up.ts'
import { servedArchitectures } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { readPrivileges } from '../../policy/process/privileges.ts'
import { exposureWarnings } from '../../system/exposure.ts'
import { status } from '../../system/kexec-state.ts'
import type { System } from '../../system/system.ts'
import type { Engine } from '../choices/engine.ts'
import type { PlannedKernel } from '../context/kernel.ts'
import { hasKexecFileLoad, readRunningKernel } from '../context/running-kernel.ts'
import type { Findings } from '../model/decision.ts'
import type { PlanOptions } from '../model/options.ts'
import { explicitCommandLineWarning } from '../unified/unified-kernel.ts'
import { checkKernelImage, REINSTALL, type WayIn } from './kernel-image.ts'
import { checkVirtualAddresses } from './virtual-addresses.ts'

/** Refuses what is damaged, and a kernel that this machine or the system call would not take. */
export function checkKernel(system: System, kernel: PlannedKernel, way: WayIn, findings: Findings): void {
  const { image, file, contents } = kernel
  const { path } = file
  if (kernel.vendor === null && /^Android boot image/.test(kernel.chain[0]?.format ?? '') && isSplit(kernel)) {
    findings.warn(
      `${path} has a vendor boot image beside it, with the first part of the ramdisk and of the command line: give it with --vendor-boot`,
    )
  }
  const { chain, examination } = kernel
  const damage = damageOf(kernel)
  if (damage.length > 0) {
    const summary = `this is ${chain[0]?.description}, damaged: ${damage.join('; ')}`
    const hint = chain.length === 1 && image.bootable ? REINSTALL : 'Copy or make the image again.'
    if (way.tryAnyway) findings.warn(`${summary}: it is loaded anyway`)
    else findings.refuse(new KexecError(summary, { reason: 'damaged-image', path, hint, refused: true }))
    // What is inside then is not what was meant to be.
    if (!way.tryAnyway && chain.length === 1 && contents.length > 0) return
  }
  if (image.bootable && image.version === null && / Image$/.test(image.format) && image.format !== 's390 Image') {
    findings.warn(
      `${path} has no version line of Linux in it: boot loaders and hypervisors have the same header, and this may be one`,
    )
  }
  const loadedSize = examination?.kernelSize ?? null
  checkKernelImage(system, { path, image, chain, fileSize: file.size, loadedSize, way }, findings)
}

/** What `inspect` calls damage, and what systemd-stub would stop at, but for what the kernel lacks at its end: that is told by itself. */
function damageOf({ unified, examination }: PlannedKernel): readonly string[] {
  const found = (examination?.damage ?? []).flatMap(({ problem, isCutOff }) => (isCutOff ? [] : [problem]))
  const others = (unified?.problems ?? []).filter((problem) => !found.some((each) => each.endsWith(problem)))
  return [...found, ...others]
}

/** What kexec does otherwise than the stub of a unified kernel image would. */
export function checkUnified({ unified }: PlannedKernel, options: PlanOptions, findings: Findings): void {
  if (unified === null) return
  for (const warning of unified.warnings) findings.warn(warning)
  const given = options.exactCommandLine ?? options.commandLine
  const isOwn = given === undefined && !options.reuseCommandLine && !options.append && !options.remove
  const warning = isOwn ? null : explicitCommandLineWarning(unified)
  if (warning !== null) findings.warn(warning)
}

/** Android's boot images are split in two from header version 3 on. */
function isSplit({ chain }: PlannedKernel): boolean {
  return chain[0]?.facts.some(({ name, value }) => name === 'header version' && Number(value) >= 3) ?? false
}

/** Warns when someone besides root could have put something else in place: whoever writes it runs as the kernel. */
export function checkWritable(system: System, paths: readonly (string | undefined)[], findings: Findings): void {
  // What came without a path is called '(bytes)' or '(stream)'.
  const named = paths.flatMap((path) => (path?.startsWith('/') ? [path] : []))
  for (const warning of exposureWarnings(system, named)) findings.warn(warning)
}

/** Warns when the new kernel would come up without its modules. */
export function checkModules(system: System, version: string | null, findings: Findings): void {
  if (version === null) return
  const folders = [`/usr/lib/modules/${version}`, `/lib/modules/${version}`]
  if (folders.some((folder) => system.stat(folder)?.isDirectory())) return
  findings.warn(`there is no /lib/modules/${version}: the new kernel will find no modules on this root file system`)
}

/** What the running machine holds already, and what this user may not do. */
export function checkMachine(
  system: System,
  { engine, panic, tryAnyway }: { readonly engine: Engine; readonly panic: boolean; readonly tryAnyway: boolean },
  findings: Findings,
): void {
  if (engine === 'file') checkSyscall(system, findings)
  if (!panic) checkVirtualAddresses(system, tryAnyway, findings)
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

/** Whether a 32-bit firmware's services are left alone: then they do not count (parse_efi_cmdline, drivers/firmware/efi/efi.c). */
function isWithoutRuntimeServices(commandLine: string | undefined): boolean {
  const options = parametersNamed(commandLine, 'efi').flatMap(({ value }) => value?.split(',') ?? [])
  return hasParameter(commandLine, 'noefi') || options.includes('noruntime')
}

/** What keeps kexec_file_load from loading any kernel. */
function checkSyscall(system: System, findings: Findings): void {
  const running = readRunningKernel(system)
  if (!hasKexecFileLoad(running)) {
    findings.refuse(
      new KexecError(`the running kernel is for ${running.architecture}, which has no kexec_file_load`, {
        reason: 'no-kexec-support',
        code: 'ENOSYS',
        hint: `Boot a 64-bit kernel, where the machine can run one; this version uses kexec_load on ${servedArchitectures}.`,
        evidence: running.evidence,
        refused: true,
      }),
    )
  }
  // bzImage64_probe of arch/x86/kernel/kexec-bzimage64.c: efi_enabled(EFI_RUNTIME_SERVICES) && !efi_enabled(EFI_64BIT).
  const width = system.readText('/sys/firmware/efi/fw_platform_size')?.trim()
  if (running.architecture === 'x86_64' && width === '32') {
    if (isWithoutRuntimeServices(system.runningCommandLine())) return
    findings.warn(
      'the firmware is 32-bit EFI, where kexec_file_load loads nothing (ENOEXEC) unless this kernel was booted with efi=noruntime',
    )
  }
}
