/**
 * The addon's calls: thin syscalls that return 0 or a positive errno and decide nothing (native/).
 * Loaded on first use, so that list, inspect and plan work where no addon was built.
 */
export interface Native {
  /** kexec_file_load(2) off the event loop. Resolves to 0 or the errno. initrdFd is -1 when there is none. */
  kexecFileLoad(kernelFd: number, initrdFd: number, commandLine: string, flags: number): Promise<number>
  kexecFileLoadSync(kernelFd: number, initrdFd: number, commandLine: string, flags: number): number
  /** reboot(2) with LINUX_REBOOT_CMD_KEXEC. Returns only on failure, with the errno. */
  rebootKexec(): number
  /** memfd_create(2) with MFD_CLOEXEC. The descriptor, or the errno negated. */
  memfdCreate(name: string): number
  /** lseek(2) to the end: /dev/kmsg then yields only records that come later. 0 or the errno. */
  seekEnd(fd: number): number
  /** sync(2). */
  sync(): void
  /** umount2(2). 0 or the errno. */
  unmount(target: string, flags: number): number
  /** mount(2) with MS_REMOUNT | MS_RDONLY. 0 or the errno. */
  remountReadOnly(target: string): number
}

export function native(): Native {
  throw new Error('not built')
}
