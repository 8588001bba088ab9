import { styleText } from 'node:util'

/** Version of every JSON document this program prints; raised when a field changes its meaning. */
const SCHEMA_VERSION = 1

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** Prints one JSON document on standard output. */
export function printJson(document: object): void {
  process.stdout.write(`${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...document }, null, 2)}\n`)
}

/** Prints lines for people on standard output. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`)
}

/** Prints progress and warnings on standard error. */
export function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

/** Colours a text where it goes to a terminal and NO_COLOR (https://no-color.org) does not forbid it. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  const wanted = stream.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  return wanted ? styleText(style, text) : text
}

/** File names may hold control characters; a terminal must not obey them. Our own colours and line breaks pass. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/\x1b\[\d+m|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (found) =>
    found.length > 1 ? found : `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** Rows as columns, each as wide as its widest cell, two spaces apart; the last is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
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
