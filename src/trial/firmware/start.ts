import { hasHiddenVariables } from '../../system/efi-variables.ts'
import type { System } from '../../system/system.ts'
import { type BootManager, type FirmwareEntry, readBootManager } from './boot-manager.ts'

/** What the firmware starts after a reset, as far as its variables show it. */
export type FirmwareStart =
  /** The boot loader that started this machine, or nothing is known to the contrary. Doubts: one sentence each, without its full stop. */
  | { readonly isOther: false; readonly doubts: readonly string[] }
  /** Something else, or nobody knows what. */
  | { readonly isOther: true; readonly text: string; readonly remedy: string }

/** Bits of OsIndications (UEFI specification, 8.5.4) with which the firmware starts no boot option. */
const indications = [
  { bit: 0x01, what: 'opens its setup and waits for a key' },
  { bit: 0x20, what: 'starts the recovery of the operating system' },
  { bit: 0x40, what: 'starts its own recovery' },
] as const

/** Judges from the EFI boot manager's variables whether a reset leads to the boot loader that started this machine. */
export function judgeFirmware(system: System): FirmwareStart {
  const manager = readBootManager(system)
  if (manager !== null) return judgeIndications(manager) ?? judgeNext(manager) ?? judgeOrder(system, manager)
  const hidden =
    'the EFI variables cannot be seen: efivarfs is not mounted, or empty. BootNext may start something else'
  return { isOther: false, doubts: hasHiddenVariables(system) ? [hidden] : [] }
}

function judgeIndications({ indications: bits }: BootManager): FirmwareStart | null {
  const asked = indications.find(({ bit }) => (bits & bit) !== 0)
  if (asked === undefined) return null
  const text = `after a reset the firmware ${asked.what}, as the EFI variable OsIndications asks for it`
  const setup = 'Take the request back: bootctl reboot-to-firmware false'
  return { isOther: true, text, remedy: asked.bit === 0x01 ? setup : 'Clear the EFI variable OsIndications.' }
}

/** The firmware removes BootNext as it starts its entry; a kexec does not pass through the firmware, and leaves it. */
function judgeNext({ next, current }: BootManager): FirmwareStart | null {
  if (next === null || (current !== null && isSame(next, current))) return null
  const started = current === null ? '' : `, and not ${current.named}, which started this machine`
  const text = `after a reset the firmware starts ${next.named}${started}: the EFI variable BootNext names it`
  return { isOther: true, text, remedy: 'Remove it: efibootmgr --delete-bootnext' }
}

/** Entries of the order before the one that started this machine: the firmware tries them first. */
function judgeOrder(system: System, { current, order }: BootManager): FirmwareStart {
  const at = order.findIndex((entry) => current !== null && isSame(entry, current))
  // Nothing to compare: the entry that started this machine is gone, or was one of the firmware's own.
  if (current === null || at < 0) return { isOther: false, doubts: [] }
  const earlier = order.slice(0, at).filter(({ isStarted }) => isStarted)
  const present = earlier.find(({ path }) => path.partition !== null && isPresent(system, path.partition))
  if (present !== undefined) {
    const text = `after a reset the firmware tries ${present.named} before ${current.named}, which started this machine`
    const numbers = [current, ...order.filter((entry) => entry !== order[at])].map(({ number }) => hex(number))
    return { isOther: true, text, remedy: `Change the order: efibootmgr --bootorder ${numbers.join(',')}` }
  }
  const doubts = earlier
    .filter(({ path }) => path.partition === null)
    .map(({ named }) => `after a reset the firmware tries ${named} before ${current.named}, which started this machine`)
  return { isOther: false, doubts }
}

function isSame(one: FirmwareEntry, other: FirmwareEntry): boolean {
  return one.number === other.number || one.start.equals(other.start)
}

const PARTITIONS = '/dev/disk/by-partuuid'

/** The firmware passes over an entry whose partition is gone. Without the links of udev, any may be there. */
function isPresent(system: System, partition: string): boolean {
  return system.list(PARTITIONS).length === 0 || system.exists(`${PARTITIONS}/${partition}`)
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(4, '0')
}
