import { throwIfAborted } from '../abort.ts'
import type { KexecError } from '../errors.ts'
import { bytesOfText } from '../exact-text.ts'
import { native } from '../native.ts'
import { readLoadsLeft } from '../policy/limits/switches.ts'
import { status } from '../system/kexec-state.ts'
import { System } from '../system/system.ts'
import { unloadIfAborted } from './abort.ts'
import { answerOf } from './answer.ts'
import { diagnoseLoad } from './diagnose.ts'
import { KernelLog } from './kernel-log.ts'

/** Flags of kexec_file_load(2): include/uapi/linux/kexec.h. */
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

const SYSCALL = 'kexec_file_load'

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
    const { kernelFd, initrdFd, commandLine, path } = load
    const errno = await answerOf(
      (thread) => native().kexecFileLoad(kernelFd, initrdFd, bytesOfText(commandLine), call.flags, thread),
      { syscall: SYSCALL, path, log: call.log },
    )
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
  unloadIfAborted(load, SYSCALL, signal)
}

/** As `loadFile`, but blocks the event loop until the kernel has read and checked everything. */
export function loadFileSync(load: FileLoad): void {
  const call = prepare(load)
  try {
    const errno = native().kexecFileLoadSync(load.kernelFd, load.initrdFd, bytesOfText(load.commandLine), call.flags)
    if (errno !== 0) throw failure(load, errno, call)
  } finally {
    call.log.close()
  }
}

function prepare(load: FileLoad) {
  const hadCrashKernel = load.panic && status(live).crashLoaded === true
  const loadsLeft = readLoadsLeft(live, load.panic)
  return { log: new KernelLog(), flags: fileLoadFlags(load), loadsLeft, hadCrashKernel }
}

/** The flags that the call gets. */
export function fileLoadFlags({ panic, initrdFd }: Pick<FileLoad, 'panic' | 'initrdFd'>): number {
  return (panic ? KEXEC_FILE_ON_CRASH : 0) | (initrdFd === -1 ? KEXEC_FILE_NO_INITRAMFS : 0)
}

function failure({ path, panic }: FileLoad, errno: number, call: ReturnType<typeof prepare>): KexecError {
  const { log, loadsLeft } = call
  const lostCrashKernel = call.hadCrashKernel && status(live).crashLoaded === false
  return diagnoseLoad(live, {
    errno,
    syscall: SYSCALL,
    path,
    panic,
    loadsLeft,
    lostCrashKernel,
    log: log.evidence(),
  })
}
