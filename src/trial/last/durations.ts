import { isSameCounter } from './arrive.ts'
import type { Arrival, KexecRecord } from './record.ts'
import type { Stamp } from './stamp.ts'

/** A span of time, or why it is unknown. */
export interface Duration {
  readonly milliseconds: number | null
  /** Milliseconds by which it may be wrong. */
  readonly uncertainty: number | null
  /** Why it is unknown, one clause; null when it is known. */
  readonly reason: string | null
}

/** How long the parts of a kexec took. */
export interface KexecDurations {
  /** From the begin of `linux-kexec reboot` to the last moment of the old kernel: services stop. */
  readonly stopping: Duration
  /** From there to the moment at which the new kernel started its init: the machine is down. */
  readonly down: Duration
  /** From the begin of `linux-kexec reboot` to that moment: both together. */
  readonly total: Duration
  /** From the start of the new kernel's init to the confirmation of its trial. */
  readonly untilConfirmed: Duration
}

const NOT_BEGUN = 'something other than linux-kexec rebooted the machine'
const NOT_WRITTEN =
  'nothing could be written down right before the jump: the init system makes it, with the disks closed'

export function durationsOf(record: KexecRecord): KexecDurations {
  const { begun, left, confirmed, trial } = record
  return {
    stopping: begun === null ? unknown(NOT_BEGUN) : left === null ? unknown(NOT_WRITTEN) : within(begun, left),
    down: left === null ? unknown(NOT_WRITTEN) : over(record, left),
    total: begun === null ? unknown(NOT_BEGUN) : over(record, begun),
    untilConfirmed: trial === null ? unknown('it was not on trial') : untilConfirmed(record, confirmed),
  }
}

function unknown(reason: string): Duration {
  return { milliseconds: null, uncertainty: null, reason }
}

/** Of two moments of one kernel its own clock tells. */
function within(from: Stamp, to: Stamp): Duration {
  if (from.raw === null || to.raw === null) return unknown('the clock could not be read')
  if (to.raw < from.raw) return unknown('the clock went backwards')
  return known(to.raw - from.raw, 0)
}

/** Of a moment of the old kernel and the start of the new one's init, the counter does. */
function over(record: KexecRecord, from: Stamp): Duration {
  if (record.arrival === null) return unknown('the new kernel was not seen')
  if (!isSameCounter(record)) return unknown('the counter of this processor changed its speed')
  return counted(record.arrival, from, (init, counter) => init - counter)
}

function untilConfirmed({ arrival }: KexecRecord, confirmed: Stamp | null): Duration {
  if (confirmed === null || arrival === null) return unknown('its trial was not confirmed')
  return counted(arrival, confirmed, (init, counter) => counter - init)
}

function counted(
  { initBegan, perMillisecond, uncertainty, problem }: Arrival,
  { counter, window }: Stamp,
  between: (init: bigint, counter: bigint) => bigint,
): Duration {
  if (counter === null) return unknown('the counter of this processor could not be read')
  if (initBegan === null || perMillisecond === null || uncertainty === null)
    return unknown(problem ?? 'the counter of this processor could not be read')
  const ticks = Number(between(BigInt(initBegan), BigInt(counter)))
  if (ticks < 0) return unknown('the counter of this processor went backwards')
  return known(ticks / perMillisecond, uncertainty + window / perMillisecond)
}

/** To the microsecond. */
function known(milliseconds: number, uncertainty: number): Duration {
  return {
    milliseconds: Math.round(milliseconds * 1000) / 1000,
    uncertainty: Math.ceil(uncertainty * 1000) / 1000,
    reason: null,
  }
}
