import { textOfBytes } from '../../exact-text.ts'
import type { System } from '../../system/system.ts'

/** Structures of SMBIOS type 11, "OEM Strings", as Linux shows them; only root may read them. */
const ENTRIES = '/sys/firmware/dmi/entries'

/**
 * The hypervisor's addition to the command line of images with systemd-stub (systemd-stub(7), "SMBIOS Type 11
 * Strings").
 */
const EXTRA = 'io.systemd.stub.kernel-cmdline-extra='

/** The first such text, unchanged, or null. */
export function smbiosCommandLine(system: System): string | null {
  for (const entry of system.list(ENTRIES).filter((name) => name.startsWith('11-'))) {
    const found = oemStrings(system, `${ENTRIES}/${entry}/raw`).find((text) => text.startsWith(EXTRA))
    if (found !== undefined) return found.slice(EXTRA.length)
  }
  return null
}

/** The strings follow the structure's fixed part, whose length is its second byte. Each ends with a NUL. */
function oemStrings(system: System, path: string): string[] {
  try {
    const bytes = system.readHead(path, 64 * 1024)
    return textOfBytes(bytes.subarray(bytes[1] ?? 0)).split('\0')
  } catch {
    return []
  }
}
