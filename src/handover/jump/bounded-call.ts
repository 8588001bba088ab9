import { errnoName } from '../../errors.ts'
import { native } from '../../native.ts'
import { readMemoryInfo } from '../../system/memory-info.ts'
import type { System } from '../../system/system.ts'

/** Interval between checks whether a call has returned, in milliseconds. */
const POLL = 10

/**
 * Waits for a child's call (native.ts) as long as there is progress. A slow disk may take minutes for the remaining
 * data, and a dead one takes nothing. systemd-shutdown's sync waits by the same rule.
 * @param patience milliseconds without progress before giving up; the child then stays where it is
 * @returns 0 or the errno; undefined after giving up
 */
export function boundedCall(system: System, start: () => number, patience: number): number | undefined {
  const child = start()
  if (child < 0) return -child
  let least = unwritten(system)
  for (let begin = performance.now(); performance.now() - begin < patience; pause(POLL)) {
    const result = native().childResult(child)
    if (result >= 0) return result
    if (errnoName(result) !== 'EAGAIN') return -result
    const now = unwritten(system)
    if (now >= least) continue
    least = now
    begin = performance.now()
  }
  return undefined
}

/** Data in memory that waits for the disks, in bytes: Dirty and Writeback of proc_meminfo(5). */
function unwritten(system: System): number {
  const memory = readMemoryInfo(system)
  return (memory('Dirty') ?? 0) + (memory('Writeback') ?? 0)
}

/** `execute` cannot return to the event loop, and nobody else needs it by then. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
