import { type Evidence, errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'
import { readLoadsLeft } from '../policy/limits/switches.ts'
import { status } from '../system/kexec-state.ts'
import { System } from '../system/system.ts'
import { failureOf } from './failure.ts'
import { KernelLog } from './kernel-log.ts'

/** A planned call of kexec_file_load(2) or kexec_load(2), which has not been made. */
export interface KexecCall {
  readonly syscall: 'kexec_file_load' | 'kexec_load'
  /** The kernel's path, for messages; none for an unload. */
  readonly path?: string
  /** Whether it concerns the crash kernel. */
  readonly panic: boolean
  readonly flags: number
  /** Its arguments, for finding the cause of a failure. */
  readonly given: readonly Evidence[]
  /** Makes it on this thread. 0 or the errno. */
  makeSync(): number
}

/** A call that loads, which takes long. */
export interface LoadCall extends KexecCall {
  /** Makes it on another thread, whose id is left in `thread[0]`. Resolves to 0 or the errno. */
  make(thread: Int32Array): Promise<number>
}

const live = new System()

/**
 * Makes a call off the event loop.
 * @throws KexecError with the cause as far as the machine's state and the kernel log show it; 'kernel-crashed'
 */
export async function makeCall(call: LoadCall): Promise<void> {
  const before = lookBefore(call)
  try {
    const errno = await answerOf(call, before.log)
    if (errno !== 0) throw failure(call, errno, before)
  } finally {
    before.log.close()
  }
}

/**
 * As `makeCall`, but blocks the event loop until the kernel is done.
 * @param otherwise made instead where the running kernel does not have the call
 */
export function makeCallSync(call: KexecCall, otherwise?: KexecCall): void {
  const before = lookBefore(call)
  try {
    const errno = call.makeSync()
    if (errno === 0) return
    if (otherwise === undefined || errnoName(errno) !== 'ENOSYS') throw failure(call, errno, before)
  } finally {
    before.log.close()
  }
  makeCallSync(otherwise)
}

/** The state before the call, for finding the cause of a failure. */
function lookBefore({ panic }: KexecCall) {
  return {
    log: new KernelLog(),
    loadsLeft: readLoadsLeft(live, panic),
    hadCrashKernel: panic && status(live).crashLoaded === true,
  }
}

function failure(call: KexecCall, errno: number, before: ReturnType<typeof lookBefore>): KexecError {
  const { loadsLeft, hadCrashKernel, log } = before
  const lostCrashKernel = hadCrashKernel && status(live).crashLoaded === false
  return failureOf(live, { ...call, errno, loadsLeft, lostCrashKernel, log: log.evidence() })
}

/** Milliseconds between two checks of the thread that makes a call. */
const INTERVAL = 500

/**
 * Waits for the answer.
 * @throws KexecError 'kernel-crashed' when the kernel crashed in the call: that ends the thread, and no answer comes
 */
async function answerOf(call: LoadCall, log: KernelLog): Promise<number> {
  const thread = new Int32Array(1)
  const answer = call.make(thread)
  let timer: NodeJS.Timeout | undefined
  const crash = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const id = Atomics.load(thread, 0)
      // 0 while the call waits for a thread.
      if (id !== 0 && errnoName(native().probeThread(id)) === 'ESRCH') reject(crashed(call, log))
    }, INTERVAL)
  })
  try {
    return await Promise.race([answer, crash])
  } finally {
    clearInterval(timer)
  }
}

function crashed({ syscall, path, given }: KexecCall, log: KernelLog): KexecError {
  return new KexecError('the running kernel crashed in the call, which will never return', {
    reason: 'kernel-crashed',
    syscall,
    ...(path === undefined ? {} : { path }),
    hint: 'Restart this machine through its firmware soon: until then kexec stays locked (EBUSY), and the other damage of the crash is unknown. This is a fault of the running kernel: report it with the lines of the kernel log, and load from another kernel.',
    evidence: [...log.crash(), ...given],
  })
}
