import { lastParameter } from '../../cmdline/look-up.ts'
import { explainNotReserved } from '../../crash-kernel/not-reserved.ts'
import { howToReserve, recommendReservation } from '../../crash-kernel/reservation.ts'
import type { BootSource } from '../../entries/model/entry.ts'
import { type Evidence, KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import type { LoadSizes } from '../context/sizes.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { bytes, evidenceOf, placedBytes } from './memory.ts'

/**
 * Memory that a crash kernel needs beyond itself and its initrd to boot, in bytes. Less than that gets a warning.
 * Debian's needs about 100 MiB.
 */
const WORKING_MEMORY = 64 * 1024 ** 2

const SIZE = '/sys/kernel/kexec_crash_size'

/** The memory may exist but not in one piece, or may have been given back since it was reserved. */
const UNKNOWN_CAUSE =
  'The kernel log of the boot says why (dmesg | grep -i crash), unless the memory was given back since (crash-size).'

const { warning, refusal, unchecked } = remarksOn('memory')

/** The contents that must fit into the memory reserved for a crash kernel. */
export interface CrashLoad {
  readonly sizes: LoadSizes
  /** The kernel's; null when unknown. */
  readonly architecture: string | null
  /** The boot entry's source, which shows where parameters are set; null without an entry. */
  readonly source: BootSource | null
}

/**
 * A crash kernel must fit into the memory reserved for it at boot and must boot there, because it has no other memory.
 * Its initrd is there twice for a while, packed and unpacked.
 */
export function checkCrashMemory(system: System, running: RunningMachine, load: CrashLoad): Remark[] {
  const { crashSize } = running.held
  const { sizes } = load
  if (crashSize === null) {
    const text = `whether the memory reserved for a crash kernel is enough: ${SIZE} does not exist`
    return [unchecked('crash-memory', text)]
  }
  const unpacked = sizes.unpackedBytes ?? 0
  const needed = placedBytes(sizes) + unpacked
  const recommended = recommendReservation(system, load.architecture, needed)
  const text = 'how much of the reserved memory the initrd takes when it is unpacked: not all of it can be read'
  return [
    ...(sizes.unpackedBytes === null ? [unchecked('unpacked-size', text)] : []),
    ...checkReservation(system, running, load, { crashSize, needed, unpacked, recommended }),
  ]
}

/** The reserved and the needed memory, in bytes. */
interface Need {
  readonly crashSize: number
  readonly needed: number
  /** The unpacked size of the initrd, which is part of that. */
  readonly unpacked: number
  readonly recommended: ReturnType<typeof recommendReservation>
}

function checkReservation(
  system: System,
  running: RunningMachine,
  { sizes, source }: CrashLoad,
  { crashSize, needed, unpacked, recommended }: Need,
): Remark[] {
  if (needed + WORKING_MEMORY <= crashSize) return []
  const reserved = formatBytes(crashSize)
  if (needed <= crashSize) {
    const text = `of ${reserved} reserved for a crash kernel, kernel and initrd take ${formatBytes(needed)}${unpacked > 0 ? ', unpacked' : ''}: the rest may not be enough to run (better: ${recommended.parameter})`
    return [warning('crash-memory-short', text)]
  }
  const old = lastParameter(running.commandLine, 'crashkernel')?.raw ?? null
  const hint = howToReserve(system, recommended, source, old)
  const evidence = [
    { source: SIZE, value: String(crashSize) },
    ...evidenceOf(sizes),
    bytes('what stays loaded', needed - unpacked),
    ...(unpacked > 0 ? [bytes('the initrd, unpacked', unpacked)] : []),
    ...recommended.evidence,
  ]
  if (crashSize > 0) {
    const parts = unpacked > 0 ? `kernel, initrd and what it unpacks to take` : 'kernel and initrd take'
    const summary = `${parts} ${formatBytes(needed)}, and ${reserved} are reserved for a crash kernel`
    return [refused(summary, `${hint} Or use a smaller initrd.`, evidence)]
  }
  const given = explainNotReserved(system)
  if (given === undefined) return [refused('no memory is reserved for a crash kernel', hint, evidence)]
  const { raw } = given.parameter
  return [
    refused(
      `no memory is reserved for a crash kernel, although ${raw} is on the command line`,
      `${given.cause ?? UNKNOWN_CAUSE} ${hint}`,
      [...evidence, { source: '/proc/cmdline', value: raw }],
    ),
  ]
}

function refused(summary: string, hint: string, evidence: readonly Evidence[]): Remark {
  const reason = 'no-crash-memory'
  return refusal(new KexecError(summary, { reason, code: 'EADDRNOTAVAIL', hint, evidence, refused: true }))
}
