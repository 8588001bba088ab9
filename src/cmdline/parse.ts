import { bytesOfText, hasEscapes, textOfBytes } from '../exact-text.ts'

/** One word of a command line as the kernel reads it. */
export interface KernelParameter {
  /** The exact text, quotes included. */
  readonly raw: string
  /** The text before the first `=` that is not the first character; `-` and `_` are equal in it (see `sameKey`). */
  readonly key: string
  /** The text behind that `=`, without surrounding quotes; null for a flag such as `quiet`. */
  readonly value: string | null
}

/** A kernel command line: the kernel's parameters, in order and with repetitions, then the words meant for init. */
export interface CommandLine {
  readonly parameters: readonly KernelParameter[]
  /** The exact words after a lone `--`. The kernel hands them to init and stops at a second `--` among them. */
  readonly init: readonly string[]
}

const QUOTE = 0x22

/**
 * Splits a command line as the kernel does (parse_args in kernel/params.c, next_arg in lib/cmdline.c): white space
 * separates, a double quote anywhere switches that off until the next one, nothing escapes a quote, and a quote left
 * open reaches to the end. Never fails, because every text means something to the kernel. A NUL ends the text, as in C.
 */
export function parseCommandLine(text: string): CommandLine {
  const words = splitWords(text)
  const parameters: KernelParameter[] = []
  for (const [index, word] of words.entries()) {
    const parameter = parseWord(word)
    if (parameter.key === '--' && parameter.value === null) return { parameters, init: words.slice(index + 1) }
    parameters.push(parameter)
  }
  return { parameters, init: [] }
}

/** The text of a command line, words separated by one space. To the kernel it means the same as the parsed text. */
export function printCommandLine(commandLine: CommandLine): string {
  const words = commandLine.parameters.map((parameter) => parameter.raw)
  if (commandLine.init.length > 0) words.push('--', ...commandLine.init)
  return words.join(' ')
}

/** Length of a command line in bytes, without the NUL that ends it, as the kernels' limits count it. */
export function commandLineBytes(text: string): number {
  return bytesOfText(text).length
}

/** Whether two keys name the same parameter: letter case counts, `-` and `_` are equal (parameq, kernel/params.c). */
export function sameKey(one: string, other: string): boolean {
  // A hostile line may have thousands of parameters, and most keys differ in their length already.
  if (one.length !== other.length) return false
  return one === other || one.replaceAll('-', '_') === other.replaceAll('-', '_')
}

/** Whether a word opens a quote that it does not close, and so takes in all following text. */
export function hasOpenQuote(raw: string): boolean {
  return (raw.split('"').length - 1) % 2 === 1
}

function parseWord(raw: string): KernelParameter {
  const quoted = raw.startsWith('"')
  const word = quoted ? raw.slice(1) : raw
  const endsWithQuote = word.endsWith('"')
  const equals = word.indexOf('=', 1)
  if (equals === -1) return { raw, key: quoted && endsWithQuote ? word.slice(0, -1) : word, value: null }
  const quotedValue = word[equals + 1] === '"'
  const end = endsWithQuote && (quoted || quotedValue) ? word.length - 1 : word.length
  return { raw, key: word.slice(0, equals), value: word.slice(equals + (quotedValue ? 2 : 1), end) }
}

/**
 * Works on bytes, as the kernel does. One of the kernel's white-space characters is the byte 0xA0, so to it `à` (C3 A0)
 * ends a word. Such a character is never cut here: it stays whole at the end of its word, or inside the word when more
 * bytes of the character follow. So printing keeps the kernel's view of the line.
 */
function splitWords(text: string): string[] {
  const bytes = bytesOfText(text)
  const terminator = bytes.indexOf(0)
  const length = terminator === -1 ? bytes.length : terminator
  // In ASCII a byte is a character, and no word need be decoded by itself.
  const isAscii = bytes.length === text.length && !hasEscapes(text)
  const words: string[] = []
  let position = 0
  for (;;) {
    while (position < length && isSpace(bytes[position])) position++
    if (position === length) return words
    const start = position
    let inQuotes = false
    while (position < length && (inQuotes || !endsWord(bytes, position))) {
      if (bytes[position] === QUOTE) inQuotes = !inQuotes
      position++
    }
    if (position < length && isContinuation(bytes[position])) position++
    words.push(isAscii ? text.slice(start, position) : textOfBytes(bytes.subarray(start, position)))
  }
}

function endsWord(bytes: Buffer, position: number): boolean {
  const byte = bytes[position]
  return isSpace(byte) && !(isContinuation(byte) && isContinuation(bytes[position + 1]))
}

/** isspace of lib/ctype.c: tab to carriage return, space, and 0xA0, the no-break space of Latin-1. */
function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0xa0)
}

/** Whether a byte continues a UTF-8 character rather than starting one. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte <= 0xbf
}
