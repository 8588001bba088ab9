import { appendParameters as append, removeParameter as remove } from '../cmdline/edit.ts'
import {
  commandLineBytes as bytesOf,
  type CommandLine,
  parseCommandLine as parse,
  printCommandLine as print,
} from '../cmdline/parse.ts'
import { reuseCommandLine as reuse } from '../cmdline/reuse.ts'
import { checkArgument, checkOptions, flag, isObject, type OptionKind, text } from '../options.ts'

const commandLineKind: OptionKind = {
  what: 'a command line from parseCommandLine()',
  accepts: (value) => isObject(value) && Array.isArray(value['parameters']) && Array.isArray(value['init']),
}

/**
 * Reads a command line as the kernel does: double quotes hold words together, `-` and `_` are equal in keys, and
 * everything after `--` belongs to init.
 * @throws KexecError 'invalid-argument'
 */
export function parseCommandLine(commandLine: string): CommandLine {
  checkArgument('parseCommandLine()', commandLine, text)
  return parse(commandLine)
}

/** The text of a command line, words separated by one space. To the kernel it means the same as the parsed text. */
export function printCommandLine(commandLine: CommandLine): string {
  checkArgument('printCommandLine()', commandLine, commandLineKind)
  return print(commandLine)
}

/** Length of a command line in bytes, without the NUL that ends it, as the kernels' limits count it. */
export function commandLineBytes(commandLine: string): number {
  checkArgument('commandLineBytes()', commandLine, text)
  return bytesOf(commandLine)
}

/**
 * Puts parameters at the end of the kernel's, before `--`; words after `--` in `text` go to the end of init's. A parameter
 * that is present with the same value is moved, not repeated: appending the same text a hundred times is appending it once.
 * @throws KexecError 'invalid-argument' for a NUL, a line break or an open quote
 */
export function appendParameters(commandLine: CommandLine, parameters: string): CommandLine {
  checkArgument('appendParameters()', commandLine, commandLineKind)
  checkArgument('the parameters of appendParameters()', parameters, text)
  return append(commandLine, parameters)
}

/**
 * Removes every parameter with the key of `selector`; with `key=value`, only those that also have this value. Words after
 * `--` belong to init and stay.
 * @throws KexecError 'invalid-argument' when `selector` is not one key or one key=value
 */
export function removeParameter(commandLine: CommandLine, selector: string): CommandLine {
  checkArgument('removeParameter()', commandLine, commandLineKind)
  checkArgument('the selector of removeParameter()', selector, text)
  return remove(commandLine, selector)
}

export interface ReuseOptions {
  /** For a crash kernel: also leaves out `crashkernel=`. */
  readonly panic?: boolean
}

/**
 * The running command line for the next kernel: without what belongs to the boot that was, such as BOOT_IMAGE and the
 * loader's `initrd=`.
 * @param procCommandLine the text of /proc/cmdline
 * @throws KexecError 'invalid-argument'
 */
export function reuseCommandLine(procCommandLine: string, options?: ReuseOptions): CommandLine {
  checkArgument('reuseCommandLine()', procCommandLine, text)
  return reuse(procCommandLine, checkOptions('reuseCommandLine()', options, { panic: flag }))
}
