import { bytesOfText } from '../exact-text.ts'
import { native } from '../native.ts'
import { KEXEC_FILE_NO_INITRAMFS, KEXEC_FILE_ON_CRASH, KEXEC_FILE_UNLOAD } from '../system/kexec-abi.ts'
import type { KexecCall, LoadCall } from './call.ts'

/** The inputs of the kernel: open descriptors, so that they are the inspected files. */
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

/** A load through kexec_file_load(2), which reads and checks the files in the kernel. */
export function kexecFileLoad({ kernelFd, initrdFd, commandLine, panic, path }: FileLoad): LoadCall {
  const flags = (panic ? KEXEC_FILE_ON_CRASH : 0) | (initrdFd === -1 ? KEXEC_FILE_NO_INITRAMFS : 0)
  const bytes = bytesOfText(commandLine)
  return {
    syscall: 'kexec_file_load',
    path,
    panic,
    flags,
    given: [],
    make: (thread) => native().kexecFileLoad(kernelFd, initrdFd, bytes, flags, thread),
    makeSync: () => native().kexecFileLoadSync(kernelFd, initrdFd, bytes, flags),
  }
}

/** Unloads an image that either call has loaded. */
export function kexecFileUnload(panic: boolean): KexecCall {
  const flags = KEXEC_FILE_UNLOAD | (panic ? KEXEC_FILE_ON_CRASH : 0)
  return {
    syscall: 'kexec_file_load',
    panic,
    flags,
    given: [],
    makeSync: () => native().kexecFileLoadSync(-1, -1, '', flags),
  }
}
