import { parametersNamed } from '../cmdline/look-up.ts'
import { parseCommandLine } from '../cmdline/parse.ts'
import type { MachineRecord } from './machine/rehearsal-machine.ts'
import type { RehearsalOutcome } from './model/rehearsal.ts'
import { telling } from './telling.ts'

export interface Symptoms extends Pick<MachineRecord, 'console'> {
  readonly outcome: RehearsalOutcome
  readonly commandLine: string
  /** Null without an initrd. */
  readonly initrd: object | null
  /** The console port of the machine, by its name in `console=`. */
  readonly port: string
  /** Whether the machine has a disk, which is virtio_blk's. */
  readonly hasDisk: boolean
}

/** The likely cause of an outcome, as one sentence with what to do; null when it passed or nothing is known. */
export function causeOf(symptoms: Symptoms): string | null {
  const { outcome } = symptoms
  switch (outcome.kind) {
    case 'silent':
      return silentCause(symptoms, outcome.processor)
    case 'root-not-found':
      return rootCause(symptoms)
    case 'init-failed':
      return initCause(symptoms, outcome.message)
    case 'failed':
      return outcome.status === 127 ? 'The command did not start: the initrd does not have the program.' : null
    case 'rebooted':
      return (
        fromConsole(symptoms.console) ??
        'The new kernel, or a program in it, reset the machine without a message: a triple fault (for one, an instruction that the processor does not have), a watchdog or `reboot`.'
      )
    case 'panicked':
    case 'oopsed':
    case 'hung':
    case 'timed-out':
      return fromConsole(symptoms.console)
    case 'refused':
    case 'not-loaded':
      return outcome.error.hint ?? null
    case 'accelerator-unusable':
      return '--accelerator tcg does without it.'
    default:
      return null
  }
}

function silentCause({ commandLine, port }: Symptoms, processor: 'looping' | 'waiting' | null): string {
  const consoles = parametersNamed(parseCommandLine(commandLine), 'console').flatMap(({ value }) => value ?? [])
  const hears = consoles.some((name) => name.split(',')[0] === port)
  if (consoles.length > 0 && !hears)
    return `Its console is ${consoles.join(' and ')}, and this machine has ${port}: nothing could be seen. --append console=${port} shows it.`
  const more = '--append earlyprintk=serial may show more.'
  if (processor === 'waiting')
    return `The new kernel waits without a word: it stopped early, or it came up and prints elsewhere. ${more}`
  return `The new kernel stopped before it could print: it is for another processor, is damaged, or loops early. ${more}`
}

/** Of a disk, in the kernel's log: drivers/block/virtio_blk.c and block/partitions/core.c. */
const showsDisk = /\[(vd[a-z])\] \d+ \d+-byte logical blocks|^(?:\[[ \d.]+\] )? (vd[a-z]): /m

function rootCause(symptoms: Symptoms): string {
  const { commandLine, console, hasDisk } = symptoms
  const root = parametersNamed(parseCommandLine(commandLine), 'root').at(-1)?.value ?? null
  if (root === null) return 'There is no root= on the command line.'
  const name = `root=${root}`
  const device = /unknown-block\((\d+),\d+\)/.exec(console)
  if (device !== null && device[1] !== '0')
    return `The disk of ${name} is there, and its file system could not be mounted: it is damaged, or its driver is not built in and not in the initrd.`
  if (!hasDisk) return withoutDisk(symptoms, name)
  const disk = showsDisk.exec(console)
  if (disk !== null)
    return `${name} is wrong: the disk is there (${disk[1] ?? disk[2]}), and nothing on it has that name.`
  if (!console.includes('Linux version'))
    return `${name} did not appear: the initrd has no driver for the root disk (here virtio_pci and virtio_blk), or the name is wrong. Without quiet on the command line the console shows which.`
  return symptoms.initrd === null
    ? `The driver of the root disk (here virtio_pci and virtio_blk) is not built into the kernel, and there is no initrd to load it, so that ${name} never appeared.`
    : `The initrd has no driver for the root disk (here virtio_pci and virtio_blk), so that ${name} never appeared.`
}

function withoutDisk({ initrd, console }: Symptoms, name: string): string {
  const none = 'this machine has no disk unless --root-image gives it one'
  if (initrd === null)
    return `There is no initrd, and the kernel by itself found no ${name}: its driver or file system is not built in, or the name needs an initrd; and ${none}.`
  return fromConsole(console) ?? `The disk of ${name} is not there: ${none}.`
}

function initCause({ console, initrd }: Symptoms, message: string): string {
  if (initrd === null) return 'There is no initrd, and the root file system has no init.'
  return (
    fromConsole(`${console}\n${message}`) ??
    'The first process ended or did not start; the lines before the panic are its last.'
  )
}

function fromConsole(console: string): string | null {
  return telling.find(([pattern]) => pattern.test(console))?.[1] ?? null
}
