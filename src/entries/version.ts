/**
 * Compares two versions as the UAPI version format specification orders them
 * (https://uapi-group.org/specifications/specs/version_format_specification/, 1.0): `~` sorts lowest, then the end of the
 * text, then `-`, `^`, `.`, letters, and digits, which count by their value. Characters of no meaning separate.
 * @returns negative when `one` is older, positive when it is newer, 0 when they are equal.
 */
export function compareVersions(one: string, other: string): number {
  let a = 0
  let b = 0
  for (;;) {
    a = skipSeparators(one, a)
    b = skipSeparators(other, b)
    const tilde = below(one[a], other[b], '~')
    if (tilde !== 0) return tilde
    if (one[a] === '~') {
      a++
      b++
    }
    if (a >= one.length || b >= other.length) return Number(a < one.length) - Number(b < other.length)
    for (const mark of ['-', '^', '.']) {
      const order = below(one[a], other[b], mark)
      if (order !== 0) return order
      if (one[a] === mark) {
        a++
        b++
      }
    }
    if (isDigit(one[a]) || isDigit(other[b])) {
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

/** -1 when only `one` is the mark, 1 when only `other` is, 0 when both or neither are: whoever has it sorts lower. */
function below(one: string | undefined, other: string | undefined, mark: string): number {
  return Number(other === mark) - Number(one === mark)
}

/** Digits are always newer than none, even 0: what systemd does; the specification takes none for 0. */
function compareNumbers(one: string, other: string): number {
  if (one === '' || other === '') return one.length - other.length
  const a = one.replace(/^0+/, '')
  const b = other.replace(/^0+/, '')
  // By length and then by text: as values, but without a limit on the number of digits.
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}

function skipSeparators(text: string, from: number): number {
  let at = from
  while (at < text.length && !hasMeaning(text[at])) at++
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

function hasMeaning(character: string | undefined): boolean {
  return isLetter(character) || isDigit(character) || (character !== undefined && '~-^.'.includes(character))
}
