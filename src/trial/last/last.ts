import type { Evidence } from '../../errors.ts'
import { Lock } from '../../state/lock.ts'
import { bootIdOf } from '../../state/record.ts'
import type { System } from '../../system/system.ts'
import { differences, type TrialDifference } from '../record/differences.ts'
import { arrived, type Present } from './arrive.ts'
import { durationsOf, type KexecDurations } from './durations.ts'
import { KexecRecords } from './kexec-records.ts'
import { type KhoMetadata, khoMetadata } from './kho.ts'
import { replaced, wasTried } from './note.ts'
import type { KexecRecord } from './record.ts'
import { type KernelStart, kernelStart } from './start.ts'

/** A kexec of this machine. */
export interface PastKexec extends Omit<KexecRecord, 'loaded' | 'begun' | 'left' | 'arrival' | 'confirmed'> {
  /** When each step was, by the wall clock of its kernel, ISO 8601 in UTC; null where it is unknown. */
  readonly times: {
    readonly loaded: string
    readonly begun: string | null
    readonly left: string | null
    readonly seen: string | null
    readonly confirmed: string | null
  }
  /** Whether its kernel was seen running. Otherwise the reboot into it began, and no more is known. */
  readonly isArrived: boolean
  readonly durations: KexecDurations
}

/** What is known of the kexec that started the running kernel, and of those before it. */
export interface LastKexec {
  /** What started the running kernel, as far as it shows. */
  readonly startedBy: KernelStart['by']
  readonly evidence: readonly Evidence[]
  /** The kexec that started the running kernel; null when it is not known, or when there was none. */
  readonly kexec: PastKexec | null
  /** Why there is none, one clause; null when there is one. */
  readonly reason: string | null
  /** What differs between the running system and the planned one. */
  readonly differences: readonly TrialDifference[]
  /** Kexecs since the machine was started by its firmware; null where that is unknown. */
  readonly kexecs: number | null
  /** The kernel's own account; null without one. */
  readonly kho: KhoMetadata | null
  /** The path of the record. */
  readonly path: string
  /** Why the record cannot be read or trusted; null when it can, or when there is none. */
  readonly problem: string | null
  /** The kexecs before, the newest first; at most 50. */
  readonly history: readonly PastKexec[]
}

/** Kexecs that are shown. */
const SHOWN = 50

/**
 * What is known of the kexec that started the running kernel. The first call in a boot notes when the new kernel started
 * its init, leaves a line in the kernel log, and takes some 0.2 s. Only root can read the record. Never fails on what it reads.
 */
export function lastKexec(system: System, { look, keeps = system.isLive }: LookOptions = {}): LastKexec {
  const lock = lockOf(system)
  try {
    return accountOf(system, { look, keeps: keeps && lock !== null })
  } finally {
    lock?.release()
  }
}

/** For tests. */
interface LookOptions {
  readonly look?: Present['look']
  /** Whether the arrival of the running kernel is written down. */
  readonly keeps?: boolean
}

function accountOf(system: System, { look, keeps }: LookOptions): LastKexec {
  const start = kernelStart(system)
  const records = new KexecRecords(system)
  const { kexecs, problem } = records.read()
  const found = arrived(kexecs, { system, start, ...(look && { look }) })
  const running = 'kexec' in found ? found.kexec : null
  if (keeps && running !== null && !kexecs.includes(running)) keep(records, replaced(kexecs, running))
  const past = kexecs.filter((kexec) => kexec.id !== running?.id && wasTried(kexec, bootIdOf(system)))
  return {
    startedBy: start.by,
    evidence: start.evidence,
    kexec: running === null ? null : pastOf(running),
    reason: 'because' in found ? (problem ?? found.because) : null,
    differences: running === null ? [] : differences(system, running.to),
    kexecs: running !== null ? running.number : start.by === 'firmware' ? 0 : null,
    kho: khoMetadata(system),
    path: records.path,
    problem,
    history: past.reverse().slice(0, SHOWN).map(pastOf),
  }
}

/** A reboot or a load that is under way writes the records itself; then the arrival is noted another time. */
function lockOf(system: System): Lock | undefined | null {
  if (!system.isLive) return undefined
  try {
    return Lock.takeSync(system, 'trial', { deadline: 0 })
  } catch {
    return null
  }
}

function keep(records: KexecRecords, kexecs: readonly KexecRecord[]): void {
  try {
    records.write(kexecs)
  } catch {
    // Found out anew the next time, if less exactly.
  }
}

function pastOf(record: KexecRecord): PastKexec {
  const { id, trial, from, to, engine, by, number, loaded, begun, left, arrival, confirmed } = record
  return {
    id,
    trial,
    from,
    to,
    engine,
    by,
    number,
    times: {
      loaded: loaded.at,
      begun: begun?.at ?? null,
      left: left?.at ?? null,
      seen: arrival?.stamp.at ?? null,
      confirmed: confirmed?.at ?? null,
    },
    isArrived: arrival !== null,
    durations: durationsOf(record),
  }
}
