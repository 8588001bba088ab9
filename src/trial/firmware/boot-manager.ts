import { globalVariable, hasHiddenVariables, isEfi, variableContent } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import { type DevicePath, readDevicePath } from './device-path.ts'

/** One `Boot####` variable: EFI_LOAD_OPTION, UEFI specification 3.1.3. */
export interface FirmwareEntry {
  readonly number: number
  /** 'debian' (Boot0003). */
  readonly named: string
  /** Whether the firmware starts it by itself: active, and not an application of the firmware. */
  readonly isStarted: boolean
  readonly path: DevicePath
  /** Device path and optional data: entries that agree in them start the same. */
  readonly start: Buffer
}

/** What the EFI boot manager would start: UEFI specification, chapter 3. */
export interface BootManager {
  /** It started this machine; a kexec does not change it. Null where unknown. */
  readonly current: FirmwareEntry | null
  /** For one start. Null when none is set, or its entry is gone: the firmware passes over it then. */
  readonly next: FirmwareEntry | null
  /** The entries that are there, in the firmware's order. */
  readonly order: readonly FirmwareEntry[]
  /** Bits of OsIndications. */
  readonly indications: number
}

/** Larger than any variable that firmware stores. */
const MAX_BYTES = 64 * 1024
/** More than any firmware keeps. */
const MAX_ENTRIES = 512

/** Attributes of EFI_LOAD_OPTION: LOAD_OPTION_ACTIVE, and the category, of which 0 is LOAD_OPTION_CATEGORY_BOOT. */
const ACTIVE = 0x1
const CATEGORY = 0x1f00

/** Reads the boot manager's variables; null where there are none: no EFI firmware, or variables that cannot be seen. */
export function readBootManager(system: System): BootManager | null {
  if (isEfi(system) !== true || hasHiddenVariables(system)) return null
  const number = (name: string) => {
    const content = contentOf(system, name)
    return content !== undefined && content.length >= 2 ? content.readUInt16LE(0) : null
  }
  const entry = (at: number | null) => (at === null ? null : entryOf(system, at))
  const order = contentOf(system, 'BootOrder') ?? Buffer.alloc(0)
  const numbers = Array.from({ length: Math.min(order.length >> 1, MAX_ENTRIES) }, (_, at) =>
    order.readUInt16LE(2 * at),
  )
  const indications = contentOf(system, 'OsIndications')
  return {
    current: entry(number('BootCurrent')),
    next: entry(number('BootNext')),
    order: numbers.flatMap((at) => entryOf(system, at) ?? []),
    indications: indications !== undefined && indications.length >= 4 ? indications.readUInt32LE(0) : 0,
  }
}

function contentOf(system: System, name: string): Buffer | undefined {
  try {
    return variableContent(system.readHead(globalVariable(name), MAX_BYTES))
  } catch {
    return undefined
  }
}

/** 'Boot0003'. */
function nameOf(number: number): string {
  return `Boot${number.toString(16).toUpperCase().padStart(4, '0')}`
}

/** Attributes in 32 bits, the length of the device paths in 16, the description with its NUL, device paths, optional data. */
function entryOf(system: System, number: number): FirmwareEntry | null {
  const content = contentOf(system, nameOf(number))
  if (content === undefined || content.length < 8) return null
  let end = 6
  while (end + 1 < content.length && content.readUInt16LE(end) !== 0) end += 2
  if (end + 1 >= content.length) return null
  const attributes = content.readUInt32LE(0)
  const start = content.subarray(end + 2)
  return {
    number,
    named: `'${content.toString('utf16le', 6, end)}' (${nameOf(number)})`,
    isStarted: (attributes & ACTIVE) !== 0 && (attributes & CATEGORY) === 0,
    path: readDevicePath(start.subarray(0, content.readUInt16LE(4))),
    start,
  }
}
