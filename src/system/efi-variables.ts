import type { System } from './system.ts'

/** Vendor GUID of the variables that boot loaders and systemd share, https://systemd.io/BOOT_LOADER_INTERFACE/. */
const LOADER_GUID = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'

/** Vendor GUID of the firmware's own variables (EFI_GLOBAL_VARIABLE of the UEFI specification). */
const GLOBAL_GUID = '8be4df61-93ca-11d2-aa0d-00e098032b8c'

/** EFI_IMAGE_SECURITY_DATABASE_GUID of the UEFI specification. */
const IMAGE_SECURITY_GUID = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'

/**
 * The kernel writes it into LoaderEntryOneShot during a kexec (drivers/firmware/efi/efibc.c, with the command of
 * kernel_kexec() in kernel/kexec_core.c). systemd-boot has no such entry and skips it.
 */
export const KEXEC_REBOOT = 'kexec reboot'

/** efivarfs puts 32 bits of attributes before the content (Documentation/filesystems/efivarfs.rst). */
const ATTRIBUTES = 4

/** Longer than any entry id or boot loader name; firmware limits variables to some ten kilobytes. */
const MAX_BYTES = 64 * 1024

/** Whether the firmware is EFI: undefined for a directory without a /sys. */
export function isEfi(system: System): boolean | undefined {
  if (system.exists('/sys/firmware/efi')) return true
  return system.exists('/sys/firmware') ? false : undefined
}

/** Whether there are variables that cannot be seen: efivarfs is not mounted, or this kernel does not call the firmware. */
export function hasHiddenVariables(system: System): boolean {
  return isEfi(system) === true && system.list('/sys/firmware/efi/efivars').length === 0
}

/** The path in efivarfs of one of the firmware's own variables. */
export function globalVariable(name: string): string {
  return `/sys/firmware/efi/efivars/${name}-${GLOBAL_GUID}`
}

/** The path in efivarfs of a list of trusted or revoked keys: 'db', 'dbx'. */
export function imageSecurityVariable(name: 'db' | 'dbx'): string {
  return `/sys/firmware/efi/efivars/${name}-${IMAGE_SECURITY_GUID}`
}

/** The content of a variable from efivarfs; undefined for a file that is too short to be one. */
export function variableContent(bytes: Buffer | undefined): Buffer | undefined {
  return bytes === undefined || bytes.length <= ATTRIBUTES ? undefined : bytes.subarray(ATTRIBUTES)
}

/**
 * Whether the firmware checks signatures, which it does not while its keys are being set up; undefined where unknown.
 */
export function isSecureBoot(system: System): boolean | undefined {
  const byte = (name: string) => {
    try {
      return variableContent(system.readHead(globalVariable(name), ATTRIBUTES + 1))?.[0]
    } catch {
      return undefined
    }
  }
  const enabled = byte('SecureBoot')
  return enabled === undefined ? undefined : enabled === 1 && byte('SetupMode') !== 1
}

/** The path in efivarfs of a variable of the Boot Loader Interface. */
export function loaderVariablePath(name: string): string {
  return `/sys/firmware/efi/efivars/${name}-${LOADER_GUID}`
}

/**
 * A text variable of the Boot Loader Interface, such as 'LoaderEntryDefault': UTF-16 with a NUL at its end. Undefined
 * when it is absent or empty, or may not be read.
 */
export function loaderVariable(system: System, name: string): string | undefined {
  const text = loaderText(system, name).replace(/\0.*$/su, '')
  return text === '' ? undefined : text
}

/** The texts of a variable that holds several, each with a NUL at its end: 'LoaderEntries'. [] when it is absent. */
export function loaderVariables(system: System, name: string): string[] {
  return loaderText(system, name)
    .split('\0')
    .filter((text) => text !== '')
}

function loaderText(system: System, name: string): string {
  try {
    const bytes = system.readHead(loaderVariablePath(name), MAX_BYTES)
    return bytes.toString('utf16le', ATTRIBUTES)
  } catch {
    return ''
  }
}
