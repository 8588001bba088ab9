import { errnoName, KexecError } from '../errors.ts'
import { native } from '../native.ts'
import type { KernelLog } from './kernel-log.ts'

/** Milliseconds between two looks at the thread that makes a call. */
const INTERVAL = 500

/** Which call is waited for. */
export interface AskedCall {
  readonly syscall: string
  /** The kernel's path, for messages. */
  readonly path: string
  readonly log: KernelLog
}

/**
 * Waits for a load that another thread asks the kernel for.
 * @param ask begins the call, and leaves the thread's id where it is told
 * @returns 0 or the errno
 * @throws KexecError 'kernel-crashed' when the kernel crashed in the call: it ends the thread then, and nobody answers
 */
export async function answerOf(ask: (thread: Int32Array) => Promise<number>, call: AskedCall): Promise<number> {
  const thread = new Int32Array(1)
  const answer = ask(thread)
  let timer: NodeJS.Timeout | undefined
  const crash = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const id = Atomics.load(thread, 0)
      // 0 while the call waits for a thread.
      if (id !== 0 && errnoName(native().probeThread(id)) === 'ESRCH') reject(crashed(call))
    }, INTERVAL)
  })
  try {
    return await Promise.race([answer, crash])
  } finally {
    clearInterval(timer)
  }
}

function crashed({ syscall, path, log }: AskedCall): KexecError {
  return new KexecError('the running kernel crashed in the call, and will not answer it', {
    reason: 'kernel-crashed',
    syscall,
    path,
    hint: 'Restart this machine through its firmware soon: until then kexec stays locked (EBUSY), and what else the crash has damaged is not known. It is a fault of the running kernel: report it with the lines of the kernel log, and load from another one.',
    evidence: log.crash(),
  })
}
