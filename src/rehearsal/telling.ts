/** A file that is executed first is the first process, or the interpreter that it names. */
const START = 'Failed to execute .{1,200}\\(error -'

/** Lines of the console that explain what comes after them, and what they mean. The first that is found counts. */
export const telling: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`${START}13\\)`), 'The init of the initrd is not executable.'],
  [new RegExp(`${START}8\\)`), 'The init of the initrd is for another architecture, or no program.'],
  [new RegExp(`${START}2\\)`), 'The init of the initrd, or the interpreter that it names, is missing.'],
  // lib/decompress.c and init/initramfs.c.
  [
    /compression method .{1,20} not configured/,
    'The kernel cannot unpack the initrd: its compression is not built in (CONFIG_RD_…).',
  ],
  [/Initramfs unpacking failed: ?(.*)/, 'The kernel could not unpack the initrd.'],
  // glibc, sysdeps/x86/dl-get-cpu-features.c.
  [
    /CPU does not support (x86-64-v\d)|CPU ISA level is lower than required/,
    "The programs of the initrd are for a newer processor than this machine's: --accelerator kvm has the host's own.",
  ],
  // arch/x86/kernel/traps.c, and kernel/exit.c for an init that SIGILL ended.
  [
    /trap invalid opcode|Attempted to kill init! exitcode=0x000000[08]4|Oops - Undefined instruction/,
    "A program or the kernel used an instruction that this machine's processor does not have: --accelerator kvm has the host's own.",
  ],
  [
    /IO-APIC \+ timer doesn't work/,
    'The emulated timer was late, because this machine is busy: --append no_timer_check.',
  ],
  [/System is deadlocked on memory|Out of memory/, 'The machine has too little memory for it: --memory.'],
  [
    /Waiting for root device|Gave up waiting for (?:the )?root|ALERT! .{1,200} does not exist/,
    'The disk of root= is not there: this machine has none unless --root-image gives it one.',
  ],
]
