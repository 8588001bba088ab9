import { closeSync, fchmodSync, ftruncateSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'
import type { System } from '../system/system.ts'
import { StateDirectory } from './state-directory.ts'

const FILE = 'lock'

/** flock(2): exclusive, and never waiting. include/uapi/asm-generic/fcntl.h */
const LOCK_EX_NB = 2 | 4

/** A load reads and checks some hundred megabytes at most; nobody needs longer, in milliseconds. */
const DEADLINE = 60_000

const POLL = 50

/** The work under the lock, for those that wait for it. */
export type Work = 'load' | 'unload' | 'reboot' | 'reboot --cancel' | 'trial'

/** The locks that can be waited for. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds; default 60,000. */
  readonly deadline?: number
}

/**
 * The lock that loads, unloads and reboots of linux-kexec hold, so that none of them acts on a state that another has
 * just changed. The kernel releases it when its process ends in any way.
 */
export class Lock {
  #fd: number | undefined

  private constructor(fd: number | undefined) {
    this.#fd = fd
  }

  /**
   * Waits for the lock. Where no lock is possible, for example with a read-only /run, there is no state to protect
   * either.
   * @throws KexecError 'busy' when another process keeps it, 'aborted'
   */
  static async take(system: System, work: Work, { signal, deadline = DEADLINE }: LockOptions = {}): Promise<Lock> {
    const end = performance.now() + deadline
    for (;;) {
      const lock = Lock.#try(system, work)
      if (lock !== undefined) return lock
      if (signal?.aborted) throw interrupted(signal)
      if (performance.now() >= end) throw busy(system)
      // An interruption ends the pause, and is then seen above.
      await pause(POLL, undefined, signal === undefined ? {} : { signal }).catch(() => {})
    }
  }

  /**
   * As `take`, but blocks the event loop. A holder in this process could not go on then, so this does not wait for it.
   */
  static takeSync(system: System, work: Work, { deadline = DEADLINE }: LockOptions = {}): Lock {
    const end = performance.now() + deadline
    for (;;) {
      const lock = Lock.#try(system, work)
      if (lock !== undefined) return lock
      if (performance.now() >= end || holder(system)?.pid === process.pid) throw busy(system)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL)
    }
  }

  /** Once is enough. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** Undefined while another process has it. */
  static #try(system: System, work: Work): Lock | undefined {
    const fd = openLock(system)
    if (fd === undefined) return new Lock(undefined)
    const errno = native().lock(fd, LOCK_EX_NB)
    if (errno === 0) {
      note(fd, `${process.pid} ${work}\n`)
      return new Lock(fd)
    }
    closeSync(fd)
    // A file system without locks has no other holder either.
    return errnoName(errno) === 'EAGAIN' ? undefined : new Lock(undefined)
  }
}

function openLock(system: System): number | undefined {
  try {
    return new StateDirectory(system).open(FILE)
  } catch {
    return undefined
  }
}

/** The holder's name is only for messages. */
function note(fd: number, text: string): void {
  try {
    fchmodSync(fd, 0o600)
    ftruncateSync(fd)
    writeSync(fd, text, 0)
  } catch {
    // A full /run: the lock still holds.
  }
}

function holder(system: System): { pid: number; work: string } | undefined {
  const found = new StateDirectory(system).read(FILE)
  const match = 'text' in found ? /^(\d{1,10}) ([a-z -]{1,40})\n$/.exec(found.text) : null
  return match === null ? undefined : { pid: Number(match[1]), work: match[2] as string }
}

function busy(system: System): KexecError {
  const other = holder(system)
  const who = other === undefined ? 'another process' : `\`linux-kexec ${other.work}\` (process ${other.pid})`
  return new KexecError(`${who} is loading, unloading or starting a kernel, and did not finish`, {
    reason: 'busy',
    code: 'EBUSY',
    hint: other === undefined ? 'Try again later.' : `Try again later, or end it: kill ${other.pid}`,
    evidence: [{ source: new StateDirectory(system).pathOf(FILE), value: 'locked' }],
    refused: true,
  })
}

function interrupted(signal: AbortSignal): KexecError {
  return new KexecError('interrupted while another linux-kexec was running; nothing was changed', {
    reason: 'aborted',
    cause: signal.reason,
  })
}
