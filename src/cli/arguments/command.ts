import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearest } from '../../text.ts'

/** One option of a command: its type for the parser, and how help shows it. */
export interface CommandOption {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  readonly short?: string
  /** The values that a boolean option may have, behind its `=`: words, or a number. Without one it is just on. */
  readonly words?: readonly string[] | 'number'
  /** Name of the value in help: 'FILE', 'STR', … */
  readonly value?: string
  readonly help: string
}

/** A command's input, parsed and checked against its options. */
export interface Arguments {
  readonly positionals: readonly string[]
  text(name: string): string | undefined
  texts(name: string): readonly string[] | undefined
  flag(name: string): boolean
  /** The value of a boolean option that has one. */
  word(name: string): string | undefined
}

/** One command, in one file of commands/. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** The usage line behind the name, without options. */
  readonly operands: string
  /** Fewest and most positional arguments. */
  readonly arity: readonly [least: number, most: number]
  readonly options: Readonly<Record<string, CommandOption>>
  readonly examples: readonly (readonly [command: string, meaning: string])[]
  /** Further help, after the options: paragraphs, or lines of at most the given columns. */
  readonly notes?: string | ((width: number) => readonly string[])
  /** Runs it. @returns the exit status: one of `exit`, or that of a program that it ran. @throws UsageError, KexecError */
  run(args: Arguments): Promise<number>
  /** Another exit status for an error, which was reported; undefined for the usual one. @param words of the call */
  statusOfError?(error: unknown, words: readonly string[]): number | undefined
  /** Takes the words unchanged, in place of `run`: a foreign interface, with exit statuses of its own. */
  runWords?(words: readonly string[]): Promise<number>
}

/** Exit statuses: a contract that scripts rely on. */
export const exit = { done: 0, failed: 1, usage: 2, refused: 3, nothingLoaded: 4 } as const
export type ExitStatus = (typeof exit)[keyof typeof exit]

/** The words of the call are wrong; exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const jsonOption: CommandOption = { type: 'boolean', help: 'print one JSON document' }
export const helpOption: CommandOption = { type: 'boolean', short: 'h', help: 'show this help' }

/** Parses the words after the command's name. @throws UsageError with the nearest option when one is unknown. */
export function parse(command: Command, words: readonly string[]): Arguments {
  const options = { ...command.options, help: helpOption }
  const config = {
    args: [...words],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  } as const satisfies ParseArgsConfig
  const { values, positionals, tokens } = parseArgs(config)
  for (const token of tokens) if (token.kind === 'option') checkOption(command, options, token)
  const [least, most] = command.arity
  if (!values['help'] && positionals.length < least) throw new UsageError(`${command.name} needs ${command.operands}`)
  if (positionals.length > most) throw new UsageError(`${command.name} does not take '${positionals[most]}'`)
  if (positionals.includes('')) throw new UsageError(`${command.name} was given an empty ${command.operands}`)
  return {
    positionals,
    text: (name) => values[name] as string | undefined,
    texts: (name) => values[name] as string[] | undefined,
    flag: (name) => values[name] !== undefined && values[name] !== false,
    word: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
  }
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

function isWord(words: readonly string[] | 'number', value: string): boolean {
  return words === 'number' ? /^[1-9]\d{0,4}$/.test(value) : words.includes(value)
}

function checkOption(command: Command, options: Record<string, CommandOption>, token: OptionToken): void {
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
  if (option === undefined) {
    const suggestion = nearest(token.name, Object.keys(options))
    const meant = suggestion === undefined ? '' : `; did you mean --${suggestion}?`
    throw new UsageError(`${command.name} has no option ${token.rawName}${meant}`)
  }
  if (option.words !== undefined && token.value !== undefined && !isWord(option.words, token.value)) {
    const words = option.words === 'number' ? 'a whole number of at least 1' : option.words.join(' or ')
    throw new UsageError(`${token.rawName} takes ${words}, not '${token.value}'`)
  }
  if (option.type === 'boolean' && option.words === undefined && token.value !== undefined)
    throw new UsageError(`${token.rawName} takes no value`)
  if (option.type === 'string' && token.value === undefined)
    throw new UsageError(`${token.rawName} needs a value: ${option.value}`)
  const isPath = option.value === 'FILE' || option.value === 'DIR'
  if (isPath && token.value === '') throw new UsageError(`${token.rawName} needs a value: ${option.value}`)
  if (option.type === 'string' && !token.inlineValue && token.value?.startsWith('-') && token.value !== '-') {
    throw new UsageError(
      `${token.rawName} needs a value; if '${token.value}' is meant, write ${token.rawName}=${token.value}`,
    )
  }
}
