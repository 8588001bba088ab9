// What the two system calls take, as include/uapi/linux/kexec.h has it.

/** Flags of kexec_load(2). */
export const KEXEC_ON_CRASH = 1
/** The running kernel may write the ELF header of a crash kernel again, when CPUs or memory come or go; since Linux 6.6. */
export const KEXEC_UPDATE_ELFCOREHDR = 4

/** Flags of kexec_file_load(2). */
export const KEXEC_FILE_UNLOAD = 1
export const KEXEC_FILE_ON_CRASH = 2
export const KEXEC_FILE_NO_INITRAMFS = 4

/** Segments that kexec_load takes at most. */
export const KEXEC_SEGMENT_MAX = 16

/** ELF's numbers of the machines that are laid out here: include/uapi/linux/elf-em.h. */
export const elfMachine = { ppc64: 21, arm: 40, x86_64: 62, aarch64: 183, riscv64: 243 } as const

/** KEXEC_ARCH_* of kexec_load's flags: the machine's number in the upper half. */
export function kexecArchitecture(machine: keyof typeof elfMachine): number {
  return elfMachine[machine] * 2 ** 16
}
