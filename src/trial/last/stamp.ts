import { native } from '../../native.ts'

/**
 * A moment on the clocks of one kernel and on the processor's counter. The counter runs on over a kexec, and the clocks
 * begin anew: so two stamps of two kernels can be compared.
 */
export interface Stamp {
  /** The counter, a decimal number; null where it cannot be read. TSC on x86, CNTVCT_EL0 on arm64. */
  readonly counter: string | null
  /** Ticks of the counter within which the clocks were read. */
  readonly window: number
  /** Ticks per second, where the processor states them; null where they have to be measured. */
  readonly frequency: number | null
  /** Milliseconds since the kernel's clock began (CLOCK_BOOTTIME); the time in suspend counts. Null where unknown. */
  readonly boottime: number | null
  /** The same by CLOCK_MONOTONIC_RAW, which nobody adjusts; the time in suspend does not count. */
  readonly raw: number | null
  /** The machine's wall clock, ISO 8601 in UTC. */
  readonly at: string
}

/** How fast the counter is, and how sure that is. */
export interface Rate {
  /** Ticks in a millisecond of CLOCK_MONOTONIC_RAW. */
  readonly perMillisecond: number
  /** Relative: 0.001 is one part in a thousand. */
  readonly error: number
}

/** Reads of the clocks, of which the quickest counts: this process may be interrupted in any of them. */
const READS = 8

/** Milliseconds between two stamps that measure the counter. */
const MEASURE = 150

/** Takes a stamp. Never throws: without the addon, or on another processor, the wall clock is all there is. */
export function takeStamp(): Stamp {
  const clocks = new BigInt64Array(6)
  let best: Stamp = {
    counter: null,
    window: 0,
    frequency: null,
    boottime: null,
    raw: null,
    at: new Date().toISOString(),
  }
  try {
    for (let read = 0; read < READS; read++) {
      if (native().readClocks(clocks) !== 0) break
      const [before = 0n, boottime = 0n, raw = 0n, realtime = 0n, after = 0n, frequency = 0n] = clocks
      const window = Number(after - before)
      if (best.counter !== null && window >= best.window) continue
      best = {
        counter: String(before + (after - before) / 2n),
        window,
        frequency: frequency === 0n ? null : Number(frequency),
        boottime: milliseconds(boottime),
        raw: milliseconds(raw),
        at: new Date(Number(realtime / 1_000_000n)).toISOString(),
      }
    }
  } catch {
    // No addon: `load` says so, with the reason.
  }
  return best
}

/** To the microsecond. */
function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1000n) / 1000
}

/** Takes two stamps some time apart, which blocks the event loop. The first one is the moment. */
export function takeMeasured(): { readonly stamp: Stamp; readonly rate: Rate | null } {
  const stamp = takeStamp()
  if (stamp.counter === null || stamp.frequency !== null) return { stamp, rate: rateBetween(stamp, stamp) }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MEASURE)
  return { stamp, rate: rateBetween(stamp, takeStamp()) }
}

/** The counter's rate, from two stamps of one kernel; null where they do not show it. */
export function rateBetween(first: Stamp, second: Stamp): Rate | null {
  if (first.frequency !== null && first.frequency > 0) return { perMillisecond: first.frequency / 1000, error: 0 }
  if (first.counter === null || second.counter === null || first.raw === null || second.raw === null) return null
  const ticks = Number(BigInt(second.counter) - BigInt(first.counter))
  const span = second.raw - first.raw
  if (!(ticks > 0 && span > 0)) return null
  return { perMillisecond: ticks / span, error: (first.window + second.window) / 2 / ticks }
}
