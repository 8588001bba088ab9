import type { System } from '../../system/system.ts'

/** Limine's own vendor GUID (limine_efi_vendor_guid in common/menu.c). */
const variable = '/sys/firmware/efi/efivars/LimineLastBootedEntry-513ee0d0-6e43-cb05-b272-f146a2fcb88a'

/** efivarfs puts 32 bits of attributes before the content. */
const ATTRIBUTES = 4
const MAX_BYTES = 64 * 1024

/**
 * The value of `remember_last_entry`, in the form of `default_entry`: a path; before Limine stored paths, the line's
 * number, a 64-bit integer from 0. Undefined where unknown.
 */
export function lastBooted(system: System): string | undefined {
  let content: Buffer
  try {
    content = system.readHead(variable, MAX_BYTES).subarray(ATTRIBUTES)
  } catch {
    return undefined
  }
  if (content.length === 0) return undefined
  if (content.length === 8 && content.readUInt32LE(4) === 0 && content.readUInt32LE(0) < 0x1_0000)
    return String(content.readUInt32LE(0) + 1)
  return content.toString('utf8').replace(/\0.*$/s, '')
}
