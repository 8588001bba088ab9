import { oneLine } from '../../text.ts'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A text of one line, for a place between tags or in an attribute. Half characters have no place in a page. */
export function escaped(text: string): string {
  return oneLine(text)
    .replace(/[\ud800-\udfff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (found) => entities[found] as string)
}

/** What a terminal obeys, and does not show: ECMA-48, "Control sequence" and "Operating system command". */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const SEQUENCES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/g

/** The console of a guest, line by line. */
export function escapedLines(text: string): string {
  return text
    .replace(SEQUENCES, '')
    .split(/\r*\n/)
    .map((line) => escaped(line.replaceAll('\t', '    ')))
    .join('\n')
}
