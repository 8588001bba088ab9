const UNITS = ['KiB', 'MiB', 'GiB', 'TiB']

/** A number of bytes for people, in the largest unit that leaves at least 1: '512 bytes', '4.9 KiB', '13.5 MiB'. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
  let value = bytes
  let unit = ''
  for (const next of UNITS) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return `${value.toFixed(1)} ${unit}`
}

/** A moment for people, in local time with its distance from UTC: '2026-11-21 14:05:41 +01:00'. */
export function localTime(at: Date): string {
  const ahead = -at.getTimezoneOffset()
  const two = (number: number) => String(Math.floor(number)).padStart(2, '0')
  const zone = `${ahead < 0 ? '-' : '+'}${two(Math.abs(ahead) / 60)}:${two(Math.abs(ahead) % 60)}`
  const local = new Date(at.getTime() + ahead * 60_000).toISOString()
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${zone}`
}

/**
 * Control characters, line and paragraph separators, and characters that change the direction of writing (Unicode's
 * bidirectional controls). With these, a text looks like another text, or like more lines than it has. Bytes that are
 * not UTF-8 count too.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\udc80-\udcff]/gu

/**
 * A text that must stay on its line, such as one with a file name in it: control characters become `\x0a`, `\u202e` and the
 * like, and so do bytes that are not UTF-8 (`textOfBytes`).
 */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, (found) => {
    const code = found.charCodeAt(0)
    const isByte = code <= 0xff || code >= 0xdc80
    return isByte && code !== 0xfeff ? `\\x${hex(code & 0xff, 2)}` : `\\u${hex(code, 4)}`
  })
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

/** The longest text of another program or user in a message. */
const FOREIGN = 200

/** A text that another user chose, such as a lock's reason or a process's name: on one line, and of limited length. */
export function foreignText(text: string): string {
  return text.length > FOREIGN ? `${oneLine(text.slice(0, FOREIGN))}…` : oneLine(text)
}

/** The longest word that gets a suggestion, in characters. It bounds the work on hostile input. */
const LONGEST = 128

/**
 * The candidate that a misspelt word most likely meant, or undefined when none is near. Near means at most one mistake
 * in three characters: a letter too many, too few, wrong, or swapped with its neighbour. Letter case is ignored.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined
  const wanted = word.toLowerCase()
  let best: string | undefined
  let fewest = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue
    const mistakes = distance(wanted, candidate.toLowerCase())
    if (mistakes < fewest) {
      best = candidate
      fewest = mistakes
    }
  }
  return best
}

/** Optimal string alignment distance (Damerau and Levenshtein's four edits, no stretch edited twice). */
function distance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let row = 1; row <= one.length; row++) {
    const current = [row]
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1]
      let fewest = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1])
        fewest = Math.min(fewest, at(beforeLast, column - 2) + 1)
      current.push(fewest)
    }
    beforeLast = last
    last = current
  }
  return at(last, other.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] as number
}
