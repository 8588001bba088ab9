/**
 * The order of file names that GRUB 2.14 sorts type 1 files by, gnulib's filevercmp: numbers by value, letters before
 * other characters, `~` before the end; suffixes like `.conf` count only between names that are equal without them.
 * @returns positive when `one` is the newer
 */
export function compareFileVersions(one: string, other: string): number {
  const [hidden, otherHidden] = [one, other].map((name) => name.startsWith('.'))
  if (hidden !== otherHidden) return hidden ? -1 : 1
  return compareText(withoutEndings(one), withoutEndings(other)) || compareText(one, other)
}

/**
 * Suffixes begin with a letter or `~`, and otherwise have only these and digits. The first character is never part of
 * one.
 */
function withoutEndings(name: string): string {
  let end = name.length
  for (;;) {
    const dot = name.lastIndexOf('.', end - 1)
    if (dot < 1 || !/^\.[A-Za-z~][A-Za-z0-9~]*$/.test(name.slice(dot, end))) return name.slice(0, end)
    end = dot
  }
}

function compareText(one: string, other: string): number {
  let [a, b] = [0, 0]
  while (a < one.length || b < other.length) {
    for (; isLetter(one, a) || isLetter(other, b); a++, b++) {
      const order = rank(one, a) - rank(other, b)
      if (order !== 0) return order
    }
    const [digits, otherDigits] = [digitsAt(one, a), digitsAt(other, b)]
    a += digits.length
    b += otherDigits.length
    const order = compareNumbers(digits, otherDigits)
    if (order !== 0) return order
  }
  return 0
}

/** Whether there is a character here that is not a digit. */
function isLetter(text: string, at: number): boolean {
  return at < text.length && !/\d/.test(text[at] as string)
}

function rank(text: string, at: number): number {
  const character = text[at]
  if (character === undefined) return -1
  if (character === '~') return -2
  if (/\d/.test(character)) return 0
  const code = character.charCodeAt(0)
  return /[A-Za-z]/.test(character) ? code : code + 256
}

function digitsAt(text: string, at: number): string {
  let end = at
  while (end < text.length && /\d/.test(text[end] as string)) end++
  return text.slice(at, end)
}

function compareNumbers(one: string, other: string): number {
  const [a, b] = [one, other].map((digits) => digits.replace(/^0+/, '')) as [string, string]
  return a.length - b.length || (a === b ? 0 : a < b ? -1 : 1)
}
