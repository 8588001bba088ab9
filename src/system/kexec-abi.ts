import { architectures } from './architecture.ts'

// The inputs of the two system calls, as in include/uapi/linux/kexec.h.

/** Flags of kexec_load(2). */
export const KEXEC_ON_CRASH = 1
/** The running kernel may write the ELF header of a crash kernel again, when CPUs or memory come or go; since Linux 6.6. */
export const KEXEC_UPDATE_ELFCOREHDR = 4

/** Flags of kexec_file_load(2). */
export const KEXEC_FILE_UNLOAD = 1
export const KEXEC_FILE_ON_CRASH = 2
export const KEXEC_FILE_NO_INITRAMFS = 4

/** The most segments that kexec_load takes. */
export const KEXEC_SEGMENT_MAX = 16

/** KEXEC_ARCH_* of kexec_load's flags: the machine's number in the upper half. */
export function kexecArchitecture(family: keyof typeof architectures): number {
  return architectures[family].elfMachine * 2 ** 16
}
