import { lastParameter } from '../../cmdline/look-up.ts'
import { explainNotReserved } from '../../crash-kernel/not-reserved.ts'
import { howToReserve, recommendReservation } from '../../crash-kernel/reservation.ts'
import type { Source } from '../../entries/model/entry.ts'
import { type Evidence, KexecError } from '../../errors.ts'
import { unpackedSize } from '../../initrd/unpacked-size.ts'
import { status } from '../../system/kexec-state.ts'
import type { System } from '../../system/system.ts'
import { formatBytes } from '../../text.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import type { Findings } from '../model/decision.ts'
import { bytes, evidenceOf, type LoadSizes, placedBytes } from './memory.ts'

/** What a crash kernel wants beyond itself and its initrd to come up, bytes: less is warned of. Debian's needs about 100 MiB. */
const WORKING_MEMORY = 64 * 1024 ** 2

const SIZE = '/sys/kernel/kexec_crash_size'

/** The memory may be there and not in one piece, or reserved and given back since. */
const UNKNOWN_CAUSE =
  'The kernel log of the boot says why (dmesg | grep -i crash), unless the memory was given back since (crash-size).'

/** What is to fit into the memory reserved for a crash kernel. */
export interface CrashLoad {
  readonly sizes: LoadSizes
  /** The kernel's; null when it is not known. */
  readonly architecture: string | null
  /** Where the boot entry comes from, which tells where parameters are set; null without one. */
  readonly source: Source | null
}

/** What the initrds unpack to, bytes; null where that is not known of all of them. */
export async function unpackedBytes(
  { initrds, overlay }: InitrdChoice,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let total = overlay.reduce((sum, { content }) => sum + content.size, 0)
  for (const { source } of initrds) {
    const size = source === null ? null : await unpackedSize(source, signal)
    if (size === null) return null
    total += size
  }
  return total
}

/**
 * A crash kernel must fit into what was reserved for it at boot, and come up there: it has no other memory, and its initrd is
 * in it twice for a while, packed and unpacked.
 */
export function checkCrashMemory(system: System, load: CrashLoad, findings: Findings): void {
  const { crashSize } = status(system)
  const { sizes } = load
  if (crashSize === null) {
    findings.leaveUnchecked(`whether the memory reserved for a crash kernel suffices: ${SIZE} is not there`)
    return
  }
  const placed = placedBytes(sizes)
  const unpacked = sizes.unpackedBytes ?? 0
  const needed = placed + unpacked
  if (sizes.unpackedBytes === null) {
    findings.leaveUnchecked(
      'how much of the reserved memory the initrd takes when it is unpacked: not all of it can be read',
    )
  }
  const evidence = [
    { source: SIZE, value: String(crashSize) },
    ...evidenceOf(sizes),
    bytes('what stays loaded', placed),
    ...(unpacked > 0 ? [bytes('the initrd, unpacked', unpacked)] : []),
  ]
  const recommended = recommendReservation(system, load.architecture, needed)
  const old = lastParameter(system.runningCommandLine(), 'crashkernel')?.raw ?? null
  const hint = howToReserve(system, recommended, load.source, old)
  const refuse = (summary: string, advice: string, more: readonly Evidence[] = recommended.evidence) =>
    findings.refuse(
      new KexecError(summary, {
        reason: 'no-crash-memory',
        code: 'EADDRNOTAVAIL',
        hint: advice,
        evidence: [...evidence, ...more],
        refused: true,
      }),
    )
  if (crashSize === 0) {
    const given = explainNotReserved(system)
    if (given === undefined) refuse('no memory is reserved for a crash kernel', hint)
    else {
      const { raw } = given.parameter
      refuse(
        `no memory is reserved for a crash kernel, although ${raw} is on the command line`,
        `${given.cause ?? UNKNOWN_CAUSE} ${hint}`,
        [...recommended.evidence, { source: '/proc/cmdline', value: raw }],
      )
    }
  } else if (needed > crashSize) {
    const parts = unpacked > 0 ? `kernel, initrd and what it unpacks to take` : 'kernel and initrd take'
    const summary = `${parts} ${formatBytes(needed)}, and ${formatBytes(crashSize)} are reserved for a crash kernel`
    refuse(summary, `${hint} Or use a smaller initrd.`)
  } else if (needed + WORKING_MEMORY > crashSize) {
    findings.warn(
      `of ${formatBytes(crashSize)} reserved for a crash kernel, kernel and initrd take ${formatBytes(needed)}${unpacked > 0 ? ', unpacked' : ''}: what is left may not suffice to run (better: ${recommended.parameter})`,
    )
  }
}
