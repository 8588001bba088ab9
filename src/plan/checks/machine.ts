import { hasParameter, parametersNamed } from '../../cmdline/look-up.ts'
import { servedArchitectures } from '../../engine/layout/architectures.ts'
import { KexecError } from '../../errors.ts'
import { noCapability } from '../../policy/causes/causes.ts'
import { readPrivileges } from '../../policy/process/privileges.ts'
import type { Context } from '../context/context.ts'
import { hasKexecFileLoad } from '../context/running-machine.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning, refusal } = remarksOn('machine')

/** Warns when the loaded crash kernel would be lost, even where the new load fails. */
export function checkHeldCrashKernel({ system, options, running }: Context): Remark[] {
  if (!system.isLive || !options.panic || !running.held.crashLoaded) return []
  const text =
    'a crash kernel is loaded, and the kernel frees it first: if this load fails, no crash kernel is loaded any more'
  return [warning('crash-kernel-replaced', text)]
}

/** The privileges that this process lacks. Planning needs none. */
export function checkProcess({ system, policy }: Context): Remark[] {
  const where = 'this process is in a child pid namespace: it can load, but `reboot` and `exec` only work outside of it'
  const confined = policy?.namespaces.pid === false ? [warning('child-pid-namespace', where)] : []
  if (!system.isLive) return confined
  const privileges = readPrivileges(system)
  if (!privileges.capable) {
    const { summary } = noCapability(privileges.uid)
    const text = `${summary}: planning needs no privilege, but loading does (run as root)`
    return [warning('no-capability', text), ...confined]
  }
  if (privileges.initialUserNamespace) return confined
  const text = 'loading is only allowed in the initial user namespace, and this process is in another'
  return [warning('not-init-user-namespace', text), ...confined]
}

/**
 * Whether the services of a 32-bit firmware are switched off: then they do not count (parse_efi_cmdline,
 * drivers/firmware/efi/efi.c).
 */
function isWithoutRuntimeServices(commandLine: string | undefined): boolean {
  const options = parametersNamed(commandLine, 'efi').flatMap(({ value }) => value?.split(',') ?? [])
  return hasParameter(commandLine, 'noefi') || options.includes('noruntime')
}

/** The causes that keep kexec_file_load from loading any kernel. */
export function checkSyscall({ system, running }: Context): Remark[] {
  const missing = hasKexecFileLoad(running)
    ? []
    : [
        refusal(
          new KexecError(`the running kernel is for ${running.architecture}, which has no kexec_file_load`, {
            reason: 'no-kexec-support',
            code: 'ENOSYS',
            hint: `Boot a 64-bit kernel, where the machine can run one; this version uses kexec_load on ${servedArchitectures}.`,
            evidence: running.evidence,
            refused: true,
          }),
        ),
      ]
  // bzImage64_probe of arch/x86/kernel/kexec-bzimage64.c: efi_enabled(EFI_RUNTIME_SERVICES) && !efi_enabled(EFI_64BIT).
  const width = system.readText('/sys/firmware/efi/fw_platform_size')?.trim()
  if (running.architecture !== 'x86_64' || width !== '32' || isWithoutRuntimeServices(running.commandLine))
    return missing
  const text =
    'the firmware is 32-bit EFI, where kexec_file_load loads nothing (ENOEXEC) unless this kernel was booted with efi=noruntime'
  return [...missing, warning('efi-32-bit', text)]
}
