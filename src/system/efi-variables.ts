import type { System } from './system.ts'

/** Vendor GUID of the variables that boot loaders and systemd share, https://systemd.io/BOOT_LOADER_INTERFACE/. */
const LOADER_GUID = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'

/** efivarfs puts 32 bits of attributes before the content (Documentation/filesystems/efivarfs.rst). */
const ATTRIBUTES = 4

/** Longer than any entry id or boot loader name; firmware limits variables to some ten kilobytes. */
const MAX_BYTES = 64 * 1024

/** Whether the firmware is EFI: undefined for a folder that has no /sys to tell. */
export function isEfi(system: System): boolean | undefined {
  if (system.exists('/sys/firmware/efi')) return true
  return system.exists('/sys/firmware') ? false : undefined
}

/**
 * A text variable of the Boot Loader Interface, 'LoaderEntryDefault' for one: UTF-16 with a NUL at its end.
 * Undefined when it is absent or empty, or may not be read.
 */
export function loaderVariable(system: System, name: string): string | undefined {
  try {
    const bytes = system.readHead(`/sys/firmware/efi/efivars/${name}-${LOADER_GUID}`, MAX_BYTES)
    const text = bytes.toString('utf16le', ATTRIBUTES).replace(/\0.*$/su, '')
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}
