import { oneLine } from '../../text.ts'
import { type Descriptor, stderr, stdout, write } from './descriptor.ts'
import { lineWidth, placed } from './layout.ts'
import { isColoured, type Style } from './style.ts'

/** Version of every JSON document this program prints; raised when a field changes its meaning. */
const SCHEMA_VERSION = 2

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

/** Columns that the further lines of a message stand behind its first. */
const HANGING = 2

/** Prints a step, which may contain foreign texts: their line breaks are not obeyed. */
export function noteLine(text: string): void {
  noteLabelled('', undefined, text)
}

/** Prints a warning on standard error. */
export function warn(text: string): void {
  noteLabelled('warning:', 'yellow', text)
}

/** Prints a message behind its label on standard error, which may contain foreign texts. */
export function noteLabelled(label: string, labelStyle: Style | undefined, text: string): void {
  const width = lineWidth(stderr)
  note(placed(text, { width, label, labelStyle, hanging: HANGING, descriptor: stderr }).join('\n'))
}

/** Prints a continuation of the message before it on standard error. */
export function noteBelow(text: string, style?: Style): void {
  const width = lineWidth(stderr)
  note(placed(text, { width, indent: HANGING, style, descriptor: stderr }).join('\n'))
}

/**
 * File names may hold control characters; a terminal must not obey them. Line breaks pass, and the styles that `styled`
 * knows (bold, dim, red, green, yellow, and their ends) where they are in use: none of them can hide text.
 */
function printable(text: string, descriptor: Descriptor): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  const obeyed = text.replace(/\x1b\[(?:[12]|22|3[1239])m|[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]/gu, (found) =>
    found.length > 1 && isColoured(descriptor) ? found : oneLine(found),
  )
  return obeyed.replace(MISLEADING, oneLine)
}

/** Characters that are not control characters to a terminal, but still move or break the text: as in `oneLine`. */
const MISLEADING = /[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
