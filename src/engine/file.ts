import { KexecError } from '../errors.ts'
import { native } from '../native.ts'
import { readLoadsLeft } from '../policy/switches.ts'
import { forgetLoad } from '../state/remember.ts'
import { System } from '../system/system.ts'
import { diagnoseLoad } from './diagnose.ts'
import { KernelLog } from './kernel-log.ts'
import { status } from './status.ts'

/** Flags of kexec_file_load(2): include/uapi/linux/kexec.h. */
const KEXEC_FILE_UNLOAD = 1
const KEXEC_FILE_ON_CRASH = 2
const KEXEC_FILE_NO_INITRAMFS = 4

/** What goes into the kernel: open descriptors, so that it is the files that were inspected. */
export interface FileLoad {
  readonly kernelFd: number
  /** -1 for a kernel without an initrd. */
  readonly initrdFd: number
  readonly commandLine: string
  /** Load as the crash kernel. */
  readonly panic: boolean
  /** The kernel's path, for messages. */
  readonly path: string
}

const live = new System()

/**
 * Loads through kexec_file_load(2), off the event loop. The signal is heeded until the syscall begins. One that comes during
 * the syscall is heeded after it, by unloading the new image.
 * @throws KexecError with the cause as far as the machine's state and the kernel log tell it. A failed normal load leaves the
 *   image that was loaded before in place; a failed load of a crash kernel does not, and the error says so.
 */
export async function loadFile(load: FileLoad, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  const call = prepare(load)
  try {
    const errno = await native().kexecFileLoad(load.kernelFd, load.initrdFd, load.commandLine, call.flags)
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
  if (signal?.aborted) {
    unload({ panic: load.panic })
    throw new KexecError('the load was interrupted while the kernel was at it; the new image was unloaded again', {
      reason: 'aborted',
      syscall: 'kexec_file_load',
      path: load.path,
      hint: 'Nothing is loaded now, also not what had been loaded before.',
      cause: signal.reason,
    })
  }
}

/** As `loadFile`, but blocks the event loop until the kernel has read and checked everything. */
export function loadFileSync(load: FileLoad): void {
  const call = prepare(load)
  try {
    const errno = native().kexecFileLoadSync(load.kernelFd, load.initrdFd, load.commandLine, call.flags)
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
}

/**
 * Unloads the image that is loaded, or with `panic` the crash kernel. Nothing loaded is not an error.
 * @throws KexecError
 */
export function unload({ panic = false }: { panic?: boolean } = {}): void {
  const loadsLeft = readLoadsLeft(live, panic)
  const log = new KernelLog()
  try {
    const flags = KEXEC_FILE_UNLOAD | (panic ? KEXEC_FILE_ON_CRASH : 0)
    const errno = native().kexecFileLoadSync(-1, -1, '', flags)
    if (errno !== 0)
      throw diagnoseLoad(live, { errno, syscall: 'kexec_file_load', panic, loadsLeft, log: log.evidence() })
  } finally {
    log.close()
  }
  forgetLoad(panic ? 'crash' : 'kernel')
}

function prepare(load: FileLoad) {
  const hadCrashKernel = load.panic && status(live).crashLoaded
  const loadsLeft = readLoadsLeft(live, load.panic)
  return { log: new KernelLog(), flags: fileLoadFlags(load), loadsLeft, hadCrashKernel }
}

/** The flags that the call gets. */
export function fileLoadFlags({ panic, initrdFd }: Pick<FileLoad, 'panic' | 'initrdFd'>): number {
  return (panic ? KEXEC_FILE_ON_CRASH : 0) | (initrdFd === -1 ? KEXEC_FILE_NO_INITRAMFS : 0)
}

function failure({ path, panic }: FileLoad, errno: number, call: ReturnType<typeof prepare>): KexecError {
  const { log, loadsLeft } = call
  const lostCrashKernel = call.hadCrashKernel && !status(live).crashLoaded
  return diagnoseLoad(live, {
    errno,
    syscall: 'kexec_file_load',
    path,
    panic,
    loadsLeft,
    lostCrashKernel,
    log: log.evidence(),
  })
}

/** @throws KexecError 'aborted' when the signal has fired: nothing was changed. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted before the kernel was asked; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}
