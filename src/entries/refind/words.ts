const MAX_WORDS = 10_000

/**
 * Words of a line of rEFInd's files (ReadTokenLine in refind/config.c): blanks, commas and equals signs between them,
 * double quotes around words that contain these, `""` for a quote; `#` begins a comment. Outside of quotes `/` becomes
 * `\`.
 */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  const plain = /[^\s",=#]+/y
  let at = 0
  while (at < line.length && line[at] !== '#' && words.length < MAX_WORDS) {
    plain.lastIndex = at
    const word = plain.exec(line)?.[0]
    if (word !== undefined) {
      words.push(word.replaceAll('/', '\\'))
      at += word.length
    } else if (line[at] === '"') {
      const { text, end } = quoted(line, at + 1)
      words.push(text)
      at = end
    } else at++
  }
  return words
}

function quoted(line: string, start: number): { text: string; end: number } {
  const parts: string[] = []
  for (let from = start; ; ) {
    const end = line.indexOf('"', from)
    if (end < 0) return { text: parts.join('') + line.slice(from), end: line.length }
    if (line[end + 1] !== '"') return { text: parts.join('') + line.slice(from, end), end: end + 1 }
    parts.push(line.slice(from, end + 1))
    from = end + 2
  }
}
