import { parametersNamed } from './look-up.ts'
import { type CommandLine, parseCommandLine, sameKey } from './parse.ts'

/**
 * Identifies a trial to the kernel that it starts. The kernel hands no name with a dot to init (unknown_bootoption() of
 * init/main.c), and keeps it in /proc/cmdline.
 */
export const TRIAL_PARAMETER = 'linux_kexec.trial'

/** Parameters that describe one boot, not the system; the next boot loader adds its own. */
export const OF_THE_BOOT = [
  // The kernel's path as the boot loader saw it: GRUB, syslinux, LILO.
  'BOOT_IMAGE',
  // The initrd that the boot loader took (syslinux, EFI stub), or its place in memory. Our initrd goes with the load.
  'initrd',
  // Where a crash kernel finds the memory of the kernel that crashed; each kexec load adds its own.
  'elfcorehdr',
  // Where a preserve-context jump returns to; kexec-tools adds it.
  'kexec_jump_back_entry',
  // The trial that this boot is, if it is one: src/trial/.
  TRIAL_PARAMETER,
]

/**
 * Names a parameter that a load added for itself: `linux_kexec.added=cryptomgr.notests`. The kernel takes it for the
 * parameter of a module that it does not have, and keeps it in /proc/cmdline, the only record that outlives a kexec.
 */
const ADDED = 'linux_kexec.added'

/** The mark that goes with a parameter added for one load. */
export function markOf(raw: string): string {
  return `${ADDED}=${raw}`
}

/** A command line without the parameters that an earlier load added for itself, and without their marks. */
function withoutAdded(commandLine: CommandLine): CommandLine {
  const marks = parametersNamed(commandLine, ADDED)
  if (marks.length === 0) return commandLine
  const added = new Set(marks.map(({ value }) => value))
  return {
    ...commandLine,
    parameters: commandLine.parameters.filter((parameter) => !marks.includes(parameter) && !added.has(parameter.raw)),
  }
}

/** A parameter that was removed again leaves no mark. */
export function withoutIdleMarks(commandLine: CommandLine): CommandLine {
  const present = new Set<string | null>(commandLine.parameters.map(({ raw }) => raw))
  const idle = parametersNamed(commandLine, ADDED).filter(({ value }) => !present.has(value))
  return { ...commandLine, parameters: commandLine.parameters.filter((parameter) => !idle.includes(parameter)) }
}

/** Memory set aside for a crash kernel, in every form; a crash kernel has none to spare. */
const OF_THE_FIRST_KERNEL = ['crashkernel']

/**
 * The command line of the running kernel, /proc/cmdline, made fit for the next one. It loses the parameters of the past
 * boot, and keeps all others in place. The newline that /proc adds is tolerated. Reusing the result again changes
 * nothing.
 * @param options.panic for a crash kernel (`--panic`): also leaves out `crashkernel=`.
 */
export function reuseCommandLine(procCmdline: string, options: { readonly panic?: boolean } = {}): CommandLine {
  // The newline is /proc's own; after a quote left open it would otherwise become part of the last word.
  const commandLine = withoutBoot(parseCommandLine(procCmdline.replace(/\n$/, '')))
  if (options.panic !== true) return commandLine
  return without(commandLine, OF_THE_FIRST_KERNEL)
}

/**
 * A command line, of any origin, without the parameters of one boot: those that the boot loader, the stub or a kexec
 * adds.
 */
export function withoutBoot(commandLine: CommandLine): CommandLine {
  return without(withoutAdded(commandLine), OF_THE_BOOT)
}

function without(commandLine: CommandLine, names: readonly string[]): CommandLine {
  const isStale = (key: string) => names.some((name) => sameKey(name, key))
  return { ...commandLine, parameters: commandLine.parameters.filter(({ key }) => !isStale(key)) }
}
