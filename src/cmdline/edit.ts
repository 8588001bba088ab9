import { KexecError } from '../errors.ts'
import { type CommandLine, hasOpenQuote, type KernelParameter, parseCommandLine, sameKey } from './parse.ts'

/**
 * Checks a piece of command line that a person or program gives us, before it is used.
 * @throws KexecError 'invalid-argument' (refused) for a NUL, a line break, or a quote left open. The kernel would end
 * the text at a NUL, take a line break for a space, and let an open quote swallow the following words.
 */
export function checkCommandLineText(text: string): void {
  if (text.includes('\0')) throw refusal('the command line contains a NUL character', 'Remove it.')
  if (/[\n\r]/.test(text))
    throw refusal('the command line contains a line break', 'Write the parameters on one line, separated by spaces.')
  if (hasOpenQuote(text))
    throw refusal(
      'the command line has a double quote that is never closed',
      `Close the quote in: ${text} (the kernel knows no way to escape a quote).`,
    )
}

/**
 * Removes every parameter with the key of `selector`; with `key=value`, only those that also have this value. The whole
 * key must match, `-` and `_` being equal: `root` removes `root=…` and leaves `rootwait` and `rootflags=…`. Words after
 * `--` belong to init and stay.
 * @throws KexecError 'invalid-argument' (refused) when `selector` is not one key or one key=value.
 */
export function removeParameter(commandLine: CommandLine, selector: string): CommandLine {
  checkCommandLineText(selector)
  const { parameters, init } = parseCommandLine(selector)
  const [wanted] = parameters
  if (wanted === undefined || parameters.length > 1 || init.length > 0)
    throw refusal(
      `'${selector}' is not one parameter to remove`,
      'Give one key (console) or one key with its value (console=ttyS0); quote a value that has spaces.',
    )
  const kept = commandLine.parameters.filter((parameter) =>
    wanted.value === null ? !sameKey(parameter.key, wanted.key) : !sameParameter(parameter, wanted),
  )
  return { ...commandLine, parameters: kept }
}

/**
 * Puts the parameters of `text` at the end of the kernel's parameters, before `--`; words after `--` in `text` go to
 * the end of init's. A parameter that is present with the same value is moved, not repeated, and init's words are left
 * alone when they end with the ones given: appending the same text once or a hundred times gives the same command line.
 * @throws KexecError 'invalid-argument' (refused) for a text that `checkCommandLineText` refuses, and when the command
 * line itself ends in an open quote that would swallow what is appended.
 */
export function appendParameters(commandLine: CommandLine, text: string): CommandLine {
  checkCommandLineText(text)
  const added = parseCommandLine(text)
  if (added.parameters.length > 0) refuseOpenQuote(commandLine.parameters.at(-1)?.raw)
  if (added.init.length > 0) refuseOpenQuote(commandLine.init.at(-1))
  let parameters = commandLine.parameters
  for (const parameter of added.parameters)
    parameters = [...parameters.filter((earlier) => !sameParameter(earlier, parameter)), parameter]
  const { init } = commandLine
  return { parameters, init: endsWith(init, added.init) ? init : [...init, ...added.init] }
}

function refuseOpenQuote(last: string | undefined): void {
  if (last === undefined || !hasOpenQuote(last)) return
  throw refusal(
    `the command line ends in an open quote, which would swallow what is appended: ${last}`,
    'Remove that parameter first, or give the whole command line.',
  )
}

function sameParameter(one: KernelParameter, other: KernelParameter): boolean {
  return one.value === other.value && sameKey(one.key, other.key)
}

function endsWith(words: readonly string[], end: readonly string[]): boolean {
  const offset = words.length - end.length
  return end.every((word, index) => words[offset + index] === word)
}

function refusal(summary: string, hint: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', hint, refused: true })
}
