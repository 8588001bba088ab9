import { KexecError } from '../../../errors.ts'
import { optionName } from '../../../option-name.ts'
import type { System } from '../../../system/system.ts'
import type { NoteRange } from './elf-core.ts'

export const CPUS = '/sys/devices/system/cpu'
const VMCOREINFO = '/sys/kernel/vmcoreinfo'

/** Documentation/ABI/testing/sysfs-devices-system-cpu, crash_notes; /sys/kernel/vmcoreinfo: an address, and a size in hexadecimal. */
export function readNotes(system: System): NoteRange[] {
  const cpus = system.list(CPUS).filter((name) => /^cpu\d+$/.test(name))
  const notes = cpus.flatMap((name) => {
    const address = system.readText(`${CPUS}/${name}/crash_notes`)?.trim() ?? ''
    const size = system.readText(`${CPUS}/${name}/crash_notes_size`)?.trim() ?? ''
    return noteRange(address, size) ?? []
  })
  if (notes.length === 0)
    throw unreadable(`${CPUS}/cpu0/crash_notes`, 'the place where CPUs save their registers cannot be read')
  const [address = '', size = ''] = (system.readText(VMCOREINFO) ?? '').trim().split(' ')
  const information = noteRange(address, `0x${size}`)
  if (information === undefined)
    throw unreadable(VMCOREINFO, 'the place where the kernel describes itself cannot be read')
  return [...notes, information]
}

const MAX_NOTE = 2 ** 20

/** @param address hexadecimal, with leading zeros or 0x */
function noteRange(address: string, size: string): NoteRange | undefined {
  const start = /^(0x)?[0-9a-f]{1,16}$/i.test(address) ? Number.parseInt(address, 16) : 0
  const length = Number(size || 'x')
  const isPlausible = start > 0 && Number.isSafeInteger(start + MAX_NOTE) && length > 0 && length <= MAX_NOTE
  return isPlausible ? { address: start, size: length } : undefined
}

/** The facts that a dump needs and this process cannot see. */
export function unreadable(path: string, why: string): KexecError {
  return new KexecError(`${why}, which the dump of a crash kernel needs`, {
    reason: 'not-readable',
    path,
    hint: `Run it as root; or load the crash kernel with ${optionName('engine', 'file')}.`,
    refused: true,
  })
}

/** For a machine that was booted without `crashkernel=`, or could not follow it. */
export function noCrashMemory(): KexecError {
  return new KexecError('no memory is reserved for a crash kernel', {
    reason: 'no-crash-memory',
    code: 'EADDRNOTAVAIL',
    hint: 'Boot with crashkernel=256M on the kernel command line.',
    refused: true,
  })
}
