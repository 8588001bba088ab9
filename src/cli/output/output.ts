import { inspect } from 'node:util'
import { oneLine } from '../../text.ts'
import { type Descriptor, stderr, stdout, terminalColumns, write } from './descriptor.ts'

/** Version of every JSON document this program prints; raised when a field changes its meaning. */
const SCHEMA_VERSION = 1

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** Prints one JSON document on standard output. */
export function printJson(document: object): void {
  write(stdout, `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...document }, null, 2)}\n`)
}

/** Prints lines for people on standard output. */
export function print(text: string): void {
  write(stdout, `${printable(text, stdout)}\n`)
}

/** Prints progress and warnings on standard error. */
export function note(text: string): void {
  write(stderr, `${printable(text, stderr)}\n`)
}

/** Prints a step or a warning that may hold texts of others: it stays one line. */
export function noteLine(text: string): void {
  note(oneLine(text))
}

/** Colours a text where it goes to a terminal and NO_COLOR (https://no-color.org) does not forbid it. */
export function styled(style: Style, text: string, descriptor: Descriptor = stdout): string {
  if (!isColoured(descriptor)) return text
  // styleText is there since Node 20.12 only; it would look at process.stdout, and take CI=1 for a reason against colours.
  const [begin, end] = inspect.colors[style] as [number, number]
  return `\x1b[${begin}m${text}\x1b[${end}m`
}

function isColoured(descriptor: Descriptor): boolean {
  return !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb' && terminalColumns(descriptor) !== undefined
}

/**
 * File names may hold control characters; a terminal must not obey them. Line breaks pass, and the styles that `styled`
 * knows (bold, dim, red, green, yellow, and their ends) where they are in use: none of them can hide text.
 */
function printable(text: string, descriptor: Descriptor): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const obeyed = text.replace(/\x1b\[(?:[12]|22|3[1239])m|[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]/gu, (found) =>
    found.length > 1 && isColoured(descriptor) ? found : oneLine(found),
  )
  return obeyed.replace(MISLEADING, oneLine)
}

/** What is no control character to a terminal, and yet moves or breaks what is read: as `oneLine` has it. */
const MISLEADING = /[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Rows as columns, each as wide as its widest cell, two spaces apart; the last is not padded. Each row is one line. */
export function table(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(oneLine))
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    })
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** Breaks a text between words into lines of at most `width` characters; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
