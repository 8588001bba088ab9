import { isEfi } from '../../../system/efi-variables.ts'
import { MAX_INITRDS } from '../../model/found-entry.ts'
import type { CommandFunction } from '../interpreter/command.ts'
import { isPath } from '../interpreter/devices.ts'
import type { Interpreter } from '../interpreter/interpreter.ts'
import { errors } from '../script/values.ts'

/** Kernels of other systems, with their names. */
const foreign: Record<string, string> = {
  kfreebsd: 'a FreeBSD kernel',
  knetbsd: 'a NetBSD kernel',
  kopenbsd: 'an OpenBSD kernel',
  ntldr: "Windows' boot loader",
  ntboot: "Windows' boot loader",
  freedos: 'FreeDOS',
  plan9: 'Plan 9',
  truecrypt: 'TrueCrypt',
  xnu_kernel: 'a macOS kernel',
  xnu_kernel64: 'a macOS kernel',
  xnu_resume: 'a macOS image',
  appleloader: "Apple's boot loader",
  legacy_kernel: 'a kernel by the rules of GRUB legacy',
  linux_xen: 'a kernel for Xen',
}

const ends: Record<string, string> = {
  halt: 'turns the machine off',
  poweroff: 'turns the machine off',
  reboot: 'starts the machine again',
  fwsetup: "opens the firmware's setup",
  uefi_firmware: "opens the firmware's setup",
}

/** Commands that load the files to boot. */
export const bootCommands: readonly (readonly [string, CommandFunction])[] = [
  ...named(['linux', 'linux16', 'linuxefi'], linux),
  ...named(['initrd', 'initrd16', 'initrdefi'], initrd),
  ...named(['multiboot', 'multiboot2', 'xen_hypervisor'], multiboot),
  ...named(['module', 'module2', 'xen_module', 'xen_linux', 'xen_initrd'], module),
  ...named(['devicetree', 'devicetree_file'], (run, { words: [path] }) => {
    if (path === undefined) return false
    if (!isPath(path)) return notAPath(run, path, 'device tree')
    run.boot.devicetreeFile(run.locate(path))
    return true
  }),
  ...named(['chainloader', 'pxechainloader'], chainloader),
  ...Object.entries(foreign).map(([name, what]): [string, CommandFunction] => [
    name,
    (run) => other(run, `It starts ${what}, which kexec cannot start.`),
  ]),
  ...Object.entries(ends).map(([name, what]): [string, CommandFunction] => [
    name,
    (run, { words }) => (words.includes('--is-supported') ? unsupported(run) : ended(run, `It ${what}.`)),
  ]),
  ['boot', boot],
]

function named(names: readonly string[], command: CommandFunction): [string, CommandFunction][] {
  return names.map((name) => [name, command])
}

/** GRUB needs the file, but its name does not show its kind: the image itself does. */
function linux(...[run, call]: Parameters<CommandFunction>): boolean {
  const [path, ...words] = withoutOptions(call.words, linuxOptions)
  if (path === undefined) return run.fails(errors.badArgument)
  if (!isPath(path)) return notAPath(run, path, 'kernel')
  payForWords(run, words)
  run.boot.linux(run.locate(path), words)
  doubt(run, call.why, 'Its kernel or command line')
  const name = run.devices.madeUpIn(words)
  if (name !== undefined)
    run.boot.uncertain(
      `Its command line has GRUB's name of a device, which depends on the firmware: ${name} stands for it.`,
    )
  return true
}

/** GRUB does not accept it as a file name, and loads nothing from the whole line. */
function notAPath(run: Interpreter, word: string, what: 'kernel' | 'initrd' | 'module' | 'device tree'): false {
  run.boot.fault(
    `GRUB loads no ${what}: '${word}' on that line is not a path, as it begins with neither / nor (device)/.`,
  )
  return run.fails(errors.badFileName)
}

/** A long command line must be within the budget before it is made; the others are checked as parts of an entry. */
const LONG_LINE = 64 * 1024

function payForWords({ survey }: Interpreter, words: readonly string[]): void {
  const length = words.reduce((sum, word) => sum + word.length + 1, 0)
  if (length > LONG_LINE) survey.budget.spend('text', length)
}

/** Options of linux16 for old kernels; the others belong to the kernel. */
const linuxOptions = /^--(?:no-mem-option|type=.*)$/

function initrd(...[run, { words, why }]: Parameters<CommandFunction>): boolean {
  if (words.length === 0 || !run.boot.takesInitrds) return run.fails(errors.badArgument)
  const paths = words.map((word) => word.replace(/^newc:[^:]*:/, ''))
  const wrong = paths.find((path) => !isPath(path))
  if (wrong !== undefined) return notAPath(run, wrong, 'initrd')
  run.boot.initrd(paths.slice(0, MAX_INITRDS + 1).map((path) => run.locate(path)))
  doubt(run, why, 'Its initrd')
  return true
}

function multiboot(...[run, call]: Parameters<CommandFunction>): boolean {
  const [path, ...words] = withoutOptions(call.words, /^--quirk/)
  if (path === undefined) return false
  if (!isPath(path)) return notAPath(run, path, 'kernel')
  payForWords(run, words)
  run.boot.multiboot(run.locate(path), words)
  doubt(run, call.why, 'Its kernel or command line')
  return true
}

function module(...[run, call]: Parameters<CommandFunction>): boolean {
  const [path, ...words] = withoutOptions(call.words, /^--nounzip$/)
  if (path === undefined) return false
  if (!isPath(path)) return notAPath(run, path, 'module')
  run.boot.module(run.locate(path), words)
  doubt(run, call.why, 'A module')
  return true
}

/** On EFI machines: a program and its load options. On others, and with a list of blocks: a boot sector. */
function chainloader(...[run, { words, why }]: Parameters<CommandFunction>): boolean {
  const [path, ...options] = withoutOptions(words, /^-/)
  const loads = `It starts another boot loader, ${path ?? 'the next one'}, which kexec cannot start.`
  if (path === undefined || /\+\d*$/.test(path) || isEfi(run.survey.system) === false) return other(run, loads)
  const { path: program, exists, problem } = run.locate(path)
  const given = { program, options: options.length > 0 ? options.join(' ') : null, config: run.config }
  const started = exists && problem === null ? run.survey.efiPrograms.started(given) : null
  if (started === null) return other(run, loads)
  run.boot.program(started)
  doubt(run, why, 'Its kernel or command line')
  return true
}

function other(run: Interpreter, what: string): true {
  run.boot.other(what)
  return true
}

/** Nothing comes after it. */
function ended(run: Interpreter, what: string): true {
  run.jump = { kind: 'exit', levels: 1 }
  return other(run, what)
}

function boot(run: Interpreter): boolean {
  if (!run.boot.isLoaded) return run.fails(errors.badArgument)
  run.jump = { kind: 'exit', levels: 1 }
  return true
}

function unsupported(run: Interpreter): 'unknown' {
  run.asked = { why: 'the firmware', split: null }
  return 'unknown'
}

function withoutOptions(words: readonly string[], options: RegExp): readonly string[] {
  const start = words.findIndex((word) => !options.test(word))
  return start < 0 ? [] : words.slice(start)
}

function doubt(run: Interpreter, why: string | null, what: string): void {
  if (why !== null) run.boot.uncertain(`${what} depends on ${why}.`)
}
