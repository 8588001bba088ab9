import { readDeviceTree } from '../../device-tree/read.ts'
import type { Evidence } from '../../errors.ts'
import type { System } from '../../system/system.ts'

/** What started the running kernel, as far as it shows. */
export interface KernelStart {
  /** 'crash': a crash kernel, which a panic started. 'unknown': this architecture, or this user, cannot see it. */
  readonly by: 'kexec' | 'crash' | 'firmware' | 'unknown'
  readonly evidence: readonly Evidence[]
}

/** `type_of_loader` on x86; Documentation/arch/x86/boot.rst gives kexec D in its upper four bits. */
const LOADER = '/proc/sys/kernel/bootloader_type'
const KEXEC = 0xd

/** of_kexec_alloc_and_setup_fdt() of drivers/of/kexec.c sets it for each kexec_file_load since 5.13. */
const PROPERTY = 'linux,booted-from-kexec'
const CHOSEN = '/proc/device-tree/chosen'
/** Where ACPI describes the machine there is no /proc/device-tree; drivers/of/fdt.c. */
const BLOB = '/sys/firmware/fdt'

/**
 * What started the running kernel: every kexec, by whatever program, leaves its mark on x86; on machines with a device
 * tree those by kexec_file_load and by linux-kexec do, and others look like the firmware. A firmware that itself starts Linux
 * by kexec looks like one.
 */
export function kernelStart(system: System): KernelStart {
  const [dump] = ['/proc/vmcore'].filter((path) => system.exists(path))
  if (dump !== undefined) return { by: 'crash', evidence: [{ source: dump, value: 'present' }] }
  const loader = system.readText(LOADER)?.trim()
  if (loader !== undefined && /^\d{1,9}$/.test(loader))
    return {
      by: Number(loader) >> 4 === KEXEC ? 'kexec' : 'firmware',
      evidence: [{ source: LOADER, value: `0x${Number(loader).toString(16)}` }],
    }
  return ofDeviceTree(system)
}

function ofDeviceTree(system: System): KernelStart {
  const evidence = (source: string, has: boolean) => [{ source, value: has ? PROPERTY : `no ${PROPERTY}` }]
  if (system.stat(CHOSEN)?.isDirectory()) {
    const has = system.exists(`${CHOSEN}/${PROPERTY}`)
    return { by: has ? 'kexec' : 'firmware', evidence: evidence(CHOSEN, has) }
  }
  const has = chosenInBlob(system)
  if (has === undefined) return { by: 'unknown', evidence: [] }
  return { by: has ? 'kexec' : 'firmware', evidence: evidence(BLOB, has) }
}

/** Undefined where it cannot be read. */
function chosenInBlob(system: System): boolean | undefined {
  try {
    const blob = system.readHead(BLOB, 8 * 1024 * 1024)
    const { root } = readDeviceTree(blob, BLOB)
    const chosen = root.children.find(({ name }) => name === 'chosen')
    return chosen?.properties.has(PROPERTY) ?? false
  } catch {
    return undefined
  }
}
