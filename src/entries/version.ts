/**
 * Compares two versions as the UAPI version format specification orders them
 * (https://uapi-group.org/specifications/specs/version_format_specification/): `~` below the end of the text, the end
 * below `-`, that below `^`, that below `.`, that below letters and digits; numbers by value.
 * @returns negative when `one` is older, positive when it is newer, 0 when they are equal.
 */
export function compareVersions(one: string, other: string): number {
  let a = 0
  let b = 0
  for (;;) {
    a = skipSeparators(one, a)
    b = skipSeparators(other, b)
    // The specification's rules in its order; a negative sign puts the text that starts with the mark below the other.
    const tilde = marks(one[a], other[b], '~')
    if (tilde !== 0) return -tilde
    if (one[a] === '~') {
      a++
      b++
    }
    if (a >= one.length || b >= other.length) return Number(a < one.length) - Number(b < other.length)
    const mark = marks(other[b], one[a], '-') || marks(one[a], other[b], '^') || marks(other[b], one[a], '.')
    if (mark !== 0) return mark
    if (isMark(one[a])) {
      a++
      b++
    } else if (isDigit(one[a]) || isDigit(other[b])) {
      const [endA, endB] = [endOf(one, a, isDigit), endOf(other, b, isDigit)]
      const order = compareNumbers(one.slice(a, endA), other.slice(b, endB))
      if (order !== 0) return order
      a = endA
      b = endB
    } else {
      const [endA, endB] = [endOf(one, a, isLetter), endOf(other, b, isLetter)]
      const [wordA, wordB] = [one.slice(a, endA), other.slice(b, endB)]
      if (wordA !== wordB) return wordA < wordB ? -1 : 1
      a = endA
      b = endB
    }
  }
}

/**
 * Compares two kernel releases, `uname -r`: as `compareVersions` does, except that a release candidate is older than its
 * release. The specification writes one with `~`; kernels say 6.9.0-rc1, and Ubuntu's mainline builds 6.9.0-060900rc1.
 */
export function compareKernelVersions(one: string, other: string): number {
  return compareVersions(kernelVersionKey(one), kernelVersionKey(other))
}

/** The text that `compareVersions` orders as `compareKernelVersions` orders the release; for sorting many. */
export function kernelVersionKey(release: string): string {
  return release.replace(/-rc(?=\d)|(?<=\d)rc(?=\d)/, '~rc')
}

/** 1 when only `one` is the mark, -1 when only `other` is, 0 when both or neither are. */
function marks(one: string | undefined, other: string | undefined, mark: string): number {
  return Number(one === mark) - Number(other === mark)
}

function compareNumbers(one: string, other: string): number {
  const a = one.replace(/^0+/, '')
  const b = other.replace(/^0+/, '')
  // By length and then by text: as values, but without a limit on the number of digits.
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}

function skipSeparators(text: string, from: number): number {
  let at = from
  while (at < text.length && !isLetter(text[at]) && !isDigit(text[at]) && !isMark(text[at]) && text[at] !== '~') at++
  return at
}

function endOf(text: string, from: number, belongs: (character: string | undefined) => boolean): number {
  let at = from
  while (belongs(text[at])) at++
  return at
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && ((character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z'))
}

function isMark(character: string | undefined): boolean {
  return character === '-' || character === '^' || character === '.'
}
