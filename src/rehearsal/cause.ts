import { parametersNamed } from '../cmdline/look-up.ts'
import { parseCommandLine } from '../cmdline/parse.ts'
import type { MachineRecord } from './machine/rehearsal-machine.ts'
import type { RehearsalOutcome } from './model/rehearsal.ts'

export interface Symptoms extends Pick<MachineRecord, 'console'> {
  readonly outcome: RehearsalOutcome
  readonly commandLine: string
  /** Null without an initrd. */
  readonly initrd: object | null
  /** The console port of the machine, by its name in `console=`. */
  readonly port: string
}

/** The likely cause of an outcome, as one sentence with what to do; null when it passed or nothing is known. */
export function causeOf(symptoms: Symptoms): string | null {
  const { outcome } = symptoms
  switch (outcome.kind) {
    case 'silent':
      return silentCause(symptoms)
    case 'root-not-found':
      return rootCause(symptoms)
    case 'init-failed':
      return initCause(symptoms)
    case 'failed':
      return outcome.status === 127 ? 'The command did not start: the initrd does not have the program.' : null
    case 'rebooted':
      return 'The new kernel, or a program in it, reset the machine without a message: a triple fault, a watchdog or `reboot`.'
    case 'panicked':
    case 'oopsed':
    case 'hung':
    case 'timed-out':
      return fromConsole(symptoms)
    case 'refused':
    case 'not-loaded':
      return outcome.error.hint ?? null
    default:
      return null
  }
}

function consolesOf(commandLine: string): string[] {
  return parametersNamed(parseCommandLine(commandLine), 'console').flatMap(({ value }) => value ?? [])
}

function silentCause({ commandLine, port }: Symptoms): string {
  const consoles = consolesOf(commandLine)
  const hears = consoles.some((name) => name.split(',')[0] === port)
  if (consoles.length > 0 && !hears)
    return `Its console is ${consoles.join(' and ')}, and this machine has ${port}: nothing could be seen. --append console=${port} shows it.`
  return 'The new kernel stopped before it could print: it is for another processor, is damaged, or hangs early. --append earlyprintk=serial may show more.'
}

function rootCause({ commandLine, initrd, console }: Symptoms): string {
  const root = parametersNamed(parseCommandLine(commandLine), 'root').at(-1)?.value ?? null
  if (root === null) return 'There is no root= on the command line.'
  if (initrd === null)
    return `There is no initrd, and the kernel by itself found no root=${root}: its driver or file system is not built in, or the name needs an initrd.`
  if (/error -(?:8|6|2)\b/.test(console) || /unknown-block\(0,0\)/.test(console))
    return `The kernel found no root=${root}: the disk, its driver or its file system is missing, or the initrd was not unpacked.`
  return `The root file system root=${root} could not be mounted.`
}

function initCause({ console, initrd }: Symptoms): string {
  if (initrd === null) return 'There is no initrd, and the root file system has no init.'
  return (
    fromConsole({ console }) ?? 'The first process ended or did not start; the lines before the panic are its last.'
  )
}

/** Lines of the kernel that explain what comes after them, and what they mean. */
const telling: readonly (readonly [RegExp, string])[] = [
  [/Failed to execute \S+ \(error -13\)/, 'The init of the initrd is not executable.'],
  [/Failed to execute \S+ \(error -8\)/, 'The init of the initrd is for another architecture, or no program.'],
  [/Failed to execute \S+ \(error -2\)/, 'The init of the initrd, or the interpreter that it names, is missing.'],
  [/Initramfs unpacking failed: ?(.*)/, 'The kernel could not unpack the initrd.'],
  [
    /IO-APIC \+ timer doesn't work/,
    'The emulated timer was late, because this machine is busy: --append no_timer_check.',
  ],
  [/System is deadlocked on memory|Out of memory/, 'The machine has too little memory for it: --memory.'],
  [
    /Waiting for root device|Gave up waiting for (?:the )?root/,
    'The disk of root= is not there: this machine has none unless one is given to QEMU.',
  ],
  [/ALERT! .* does not exist/, 'The disk of root= is not there: this machine has none unless one is given to QEMU.'],
]

function fromConsole({ console }: Pick<Symptoms, 'console'>): string | null {
  return telling.find(([pattern]) => pattern.test(console))?.[1] ?? null
}
