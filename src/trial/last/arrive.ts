import { lastParameter } from '../../cmdline/look-up.ts'
import { TRIAL_PARAMETER } from '../../cmdline/reuse.ts'
import { bootIdOf } from '../../state/record.ts'
import type { System } from '../../system/system.ts'
import { differences } from '../record/differences.ts'
import { findInitStart, type InitStart } from './init-start.ts'
import type { Arrival, KexecRecord } from './record.ts'
import { type Rate, rateBetween, type Stamp, takeMeasured } from './stamp.ts'
import type { KernelStart } from './start.ts'

/** The kexec that started the running kernel; or none, and why, one clause. */
export type Found = { readonly kexec: KexecRecord } | { readonly because: string }

/** What `arrived` needs to know of the running kernel. */
export interface Present {
  readonly system: System
  readonly start: KernelStart
  readonly look?: typeof lookFirst
}

/** The old and the new kernel may measure the same counter a little differently. More than this is another counter. */
const SAME_RATE = 0.01

/** Milliseconds of suspend that a kernel's own adjustments of its clock could be taken for. */
const SUSPENDED = 2000

/**
 * The kexec that started the running kernel. One that was seen running before is known by its boot id. Otherwise it must be
 * the last one that was loaded in another boot; the running kernel must have been started by a kexec; its release and its
 * command line must be those of the load; and the counter must have run on from the old kernel to the new one. The kernel
 * then looks at itself for the first time.
 */
export function arrived(kexecs: readonly KexecRecord[], { system, start, look = lookFirst }: Present): Found {
  const bootId = bootIdOf(system)
  if (bootId === undefined) return { because: 'the id of this boot is unknown: /proc is not mounted' }
  const known = kexecs.find(({ arrival }) => arrival?.bootId === bootId)
  if (known !== undefined) return { kexec: known }
  if (start.by === 'firmware') return { because: 'the firmware, or its boot loader, started this kernel' }
  if (start.by === 'crash') return { because: 'this is a crash kernel, which a panic started' }
  const candidate = kexecs.findLast(({ from }) => from.bootId !== bootId)
  if (candidate === undefined) return { because: 'there is no record of a load before this boot' }
  const other = whyAnother(system, start, candidate)
  if (other !== undefined) return { because: other }
  const arrival = arrivalOf(bootId, look(candidate))
  if (isBefore(arrival, lastStamp(candidate)))
    return {
      because: 'after the last load the counter of the processor began anew: the machine was reset, or suspended',
    }
  return { kexec: { ...candidate, arrival } }
}

/** Why the running kernel is not the one that was loaded last; undefined when all that can be compared is the same. */
function whyAnother(system: System, start: KernelStart, { arrival, to, trial }: KexecRecord): string | undefined {
  const running = lastParameter(system.runningCommandLine(), TRIAL_PARAMETER)?.value ?? null
  // A trial has its id on the command line: that is enough.
  const isItsTrial = trial !== null && trial === running
  if (start.by === 'unknown' && !isItsTrial) return 'whether a kexec started this kernel is unknown'
  if (arrival !== null) return 'the kernel that was loaded last ran before this one; another program loaded this one'
  if (isItsTrial) return undefined
  if (trial !== running) return 'the kernel that was loaded last is not the one that is running: another trial'
  const its = differences(system, to)
  const different = its.find(({ source, found }) => source !== '/proc/cmdline' || found === null)
  if (different === undefined) return undefined
  const what = different.source === '/proc/cmdline' ? 'command line' : 'release, or its build,'
  return `the kernel that was loaded last is not the one that is running: its ${what} is another`
}

function lastStamp({ loaded, begun, left }: KexecRecord): Stamp {
  return left ?? begun ?? loaded
}

/** Whether the new kernel was there before a moment of the old one, as surely as that is known. */
function isBefore({ stamp, initBegan, uncertainty, perMillisecond }: Arrival, { counter }: Stamp): boolean {
  const seen = initBegan ?? stamp.counter
  if (seen === null || counter === null) return false
  const slack = BigInt(Math.ceil((uncertainty ?? 0) * (perMillisecond ?? 0)))
  return BigInt(seen) + slack < BigInt(counter)
}

/** The first look of the running kernel at itself. */
export interface FirstLook {
  readonly stamp: Stamp
  readonly rate: Rate | null
  readonly init: InitStart
}

/** Takes some 0.2 s, and leaves a line in the kernel log. */
export function lookFirst({ id }: Pick<KexecRecord, 'id'>): FirstLook {
  const init = findInitStart(`compares the clocks of kexec ${id}`)
  return { ...takeMeasured(), init }
}

/** When its init began: the counter now, less the time since then. */
function arrivalOf(bootId: string, { stamp, rate, init }: FirstLook): Arrival {
  const unknown = { bootId, stamp, initBegan: null, uncertainty: null, perMillisecond: rate?.perMillisecond ?? null }
  const { counter, raw, boottime } = stamp
  if (counter === null || raw === null || boottime === null)
    return { ...unknown, problem: 'the counter of this processor cannot be read' }
  if (rate === null) return { ...unknown, problem: 'the counter of this processor does not run on' }
  // The raw clock stands still in suspend, and the counter may or may not.
  if (wasSuspended(boottime, raw)) return { ...unknown, problem: 'the machine was suspended since' }
  if (init.raw === null) return { ...unknown, problem: init.problem }
  const since = raw - init.raw
  const uncertainty = Math.abs(since) * rate.error + stamp.window / rate.perMillisecond + init.uncertainty
  const initBegan = BigInt(counter) - BigInt(Math.round(since * rate.perMillisecond))
  return { ...unknown, initBegan: String(initBegan), uncertainty, problem: null }
}

/** Whether a span of time has a suspend in it: by its milliseconds on either clock. */
function wasSuspended(boottime: number, raw: number): boolean {
  return boottime - raw > SUSPENDED + raw / 1000
}

/** The rate at which the old kernel saw the counter; null where its stamps do not show it. */
export function oldRate({ loaded, begun, left }: KexecRecord): Rate | null {
  const last = left ?? begun
  if (last?.boottime == null || last.raw === null || loaded.boottime === null || loaded.raw === null) return null
  if (wasSuspended(last.boottime - loaded.boottime, last.raw - loaded.raw)) return null
  return rateBetween(loaded, last)
}

/** Whether both kernels see the same counter: a counter whose speed changes tells no time. */
export function isSameCounter(record: KexecRecord): boolean {
  const [old, current] = [oldRate(record), record.arrival?.perMillisecond ?? null]
  if (old === null || current === null) return true
  return Math.abs(old.perMillisecond - current) / current <= SAME_RATE + old.error
}
