import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { KexecError } from '../../errors.ts'
import { isAsked, MARK_FILE } from '../../hooks/request-mark.ts'
import { Lock } from '../../state/lock.ts'
import { bootIdOf } from '../../state/record.ts'
import { StateDirectory } from '../../state/state-directory.ts'
import type { System } from '../../system/system.ts'
import { localTime } from '../../text.ts'

/** The file of the reboot that a process waits for. Removing the file calls it off. */
const FILE = 'reboot.json'

/** Interval between looks at the time and the file, in milliseconds. */
const POLL = 500

/** A scheduled reboot. */
export interface ScheduledReboot {
  /** ISO 8601, UTC. */
  readonly at: string
  /** The process that waits. */
  readonly pid: number
}

interface Entry extends ScheduledReboot {
  readonly bootId: string
  /** When that process was started, in clock ticks since boot, since another one may get its number later. */
  readonly started: string
  readonly token: string
}

/** Later than this nobody expects it any more, in milliseconds: the machine was suspended, or its clock was set. */
const LATE = 60_000

/**
 * Waits until a time; `cancelReboot` of any process or the signal ends the wait early. A later schedule replaces this
 * one.
 * @param remaining milliseconds left, called repeatedly
 * @param tick called with them about twice a second
 * @returns the lock; under it no one had called the reboot off, and no one can from here on
 * @throws KexecError 'aborted' when it was called off, or the time passed long before this process went on; 'io' when
 *   the schedule cannot be written; 'busy'
 */
export async function waitForTime(
  system: System,
  at: Date,
  {
    remaining,
    tick,
    signal,
  }: { remaining: () => number; tick: (left: number) => void; signal?: AbortSignal | undefined },
): Promise<Lock> {
  const directory = new StateDirectory(system)
  const token = randomUUID()
  const entry = {
    at: at.toISOString(),
    pid: process.pid,
    bootId: bootIdOf(system) ?? '',
    started: startOf(system, process.pid) ?? '',
    token,
  }
  await underLock(system, () => write(directory, entry), signal)
  const isOurs = () => readEntry(system, directory)?.token === token
  let lock: Lock | undefined
  try {
    for (let left = remaining(); left > 0; left = remaining()) {
      if (signal?.aborted) throw calledOff('interrupted', signal.reason)
      if (!isOurs()) throw calledOff('called off, or replaced by another one')
      tick(left)
      // An interruption ends the pause, and is then seen above.
      await pause(Math.min(left, POLL), undefined, signal === undefined ? {} : { signal }).catch(() => {})
    }
    lock = await Lock.take(system, 'reboot', { signal })
    if (signal?.aborted) throw calledOff('interrupted', signal.reason)
    if (!isOurs()) throw calledOff('called off, or replaced by another one')
    if (remaining() < -LATE) throw late(at)
    directory.remove(FILE)
    return lock
  } catch (error) {
    // Under the lock, or another process's might be removed. The reason for ending the wait counts for more than an
    // error here.
    const own = lock ?? (await Lock.take(system, 'reboot', { deadline: CANCEL_DEADLINE }).catch(() => undefined))
    if (own !== undefined && isOurs()) directory.remove(FILE)
    own?.release()
    throw error
  }
}

async function underLock(system: System, act: () => void, signal: AbortSignal | undefined): Promise<void> {
  const lock = await Lock.take(system, 'reboot', { signal })
  try {
    act()
  } finally {
    lock.release()
  }
}

/** The reboot that a process waits for; undefined when there is none. */
export function scheduledReboot(system: System): ScheduledReboot | undefined {
  const entry = readEntry(system, new StateDirectory(system))
  return entry === undefined ? undefined : { at: entry.at, pid: entry.pid }
}

/**
 * Calls off the reboot that a process waits for.
 * @returns the reboot called off; undefined when there was none
 * @throws KexecError 'io' when the file may not be removed; 'busy' when it has begun already
 */
export function cancelScheduled(system: System): ScheduledReboot | undefined {
  const lock = Lock.takeSync(system, 'reboot --cancel', { deadline: CANCEL_DEADLINE })
  try {
    const scheduled = scheduledReboot(system)
    if (scheduled === undefined) {
      if (isAsked(system)) throw begun()
      return undefined
    }
    new StateDirectory(system).remove(FILE)
    return scheduled
  } catch (cause) {
    if (cause instanceof KexecError) throw cause
    throw failed('the scheduled reboot cannot be called off', cause)
  } finally {
    lock.release()
  }
}

/**
 * How long to wait for the lock, in milliseconds: a reboot that has begun holds it until it has asked the init system.
 */
const CANCEL_DEADLINE = 15_000

function begun(): KexecError {
  return new KexecError('a reboot has begun and can no longer be called off: the init system has the request', {
    reason: 'busy',
    code: 'EBUSY',
    hint: 'Let it go on: services are being stopped already.',
    evidence: [{ source: MARK_FILE, value: 'present' }],
    refused: true,
  })
}

function late(at: Date): KexecError {
  const summary = `the reboot was scheduled for ${localTime(at)}, and it is ${localTime(new Date())}: the machine was suspended or its clock was set; nothing was stopped`
  return new KexecError(summary, {
    reason: 'aborted',
    hint: 'To start the loaded kernel now: linux-kexec reboot',
  })
}

/** An entry counts while its process lives, in this boot. */
function readEntry(system: System, directory: StateDirectory): Entry | undefined {
  const found = directory.read(FILE)
  if (!('text' in found)) return undefined
  try {
    const { at, pid, bootId, started, token } = JSON.parse(found.text) as Partial<Entry>
    if (typeof at !== 'string' || typeof started !== 'string' || typeof token !== 'string') return undefined
    if (typeof pid !== 'number' || !Number.isInteger(pid) || bootId !== (bootIdOf(system) ?? '')) return undefined
    return startOf(system, pid) === started ? { at, pid, bootId, started, token } : undefined
  } catch {
    return undefined
  }
}

function write(directory: StateDirectory, entry: Entry): void {
  try {
    directory.write(FILE, `${JSON.stringify(entry)}\n`)
  } catch (cause) {
    throw failed('the reboot cannot be scheduled', cause)
  }
}

/** starttime of proc_pid_stat(5), the twentieth field behind the name, which may hold spaces and parentheses. */
function startOf(system: System, pid: number): string | undefined {
  const stat = system.readText(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function calledOff(how: string, cause?: unknown): KexecError {
  const summary = `the scheduled reboot was ${how}; nothing was stopped or unloaded`
  return new KexecError(summary, { reason: 'aborted', ...(cause === undefined ? {} : { cause }) })
}

function failed(what: string, cause: unknown): KexecError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new KexecError(`${what}: ${why}`, { reason: 'io', cause, refused: true, hint: 'Run it as root.' })
}
