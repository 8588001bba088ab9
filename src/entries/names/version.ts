/** Text behind this many characters is ignored: thousands of such texts are sorted. */
const LONGEST = 256

/**
 * Compares two versions as the UAPI version format specification orders them
 * (https://uapi-group.org/specifications/specs/version_format_specification/, 1.0): `~` sorts lowest, then the end of
 * the text, then `-`, `^`, `.`, letters, and digits, which count by their value. Other characters separate.
 * @returns negative when `one` is older, positive when it is newer, 0 when they are equal.
 */
export function compareVersions(first: string, second: string): number {
  if (first === second) return 0
  const [one, other] = [first.slice(0, LONGEST), second.slice(0, LONGEST)]
  let a = 0
  let b = 0
  for (;;) {
    a = skipSeparators(one, a)
    b = skipSeparators(other, b)
    const tilde = below(one, a, other, b, TILDE)
    if (tilde !== 0) return tilde
    if (one.charCodeAt(a) === TILDE) {
      a++
      b++
    }
    if (a >= one.length || b >= other.length) return Number(a < one.length) - Number(b < other.length)
    for (const mark of MARKS) {
      const order = below(one, a, other, b, mark)
      if (order !== 0) return order
      if (one.charCodeAt(a) === mark) {
        a++
        b++
      }
    }
    const kind = kindAt(one, a) === DIGIT || kindAt(other, b) === DIGIT ? DIGIT : LETTER
    const [endA, endB] = [endOf(one, a, kind), endOf(other, b, kind)]
    const [partA, partB] = [one.slice(a, endA), other.slice(b, endB)]
    if (partA !== partB) {
      const order = kind === DIGIT ? compareNumbers(partA, partB) : partA < partB ? -1 : 1
      if (order !== 0) return order
    }
    a = endA
    b = endB
  }
}

/**
 * Compares two kernel releases, `uname -r`: as `compareVersions` does, except that a release candidate is older than its
 * release. The specification writes one with `~`; kernels say 6.9.0-rc1, and Ubuntu's mainline builds 6.9.0-060900rc1.
 */
export function compareKernelVersions(one: string, other: string): number {
  return compareVersions(kernelVersionKey(one), kernelVersionKey(other))
}

/** The text that makes `compareVersions` order a release as `compareKernelVersions` does; for sorting many. */
export function kernelVersionKey(release: string): string {
  return release.replace(/-rc(?=\d)|(?<=\d)rc(?=\d)/, '~rc')
}

/**
 * -1 when only `one` has the mark there, 1 when only `other` has, 0 when both or neither: the text with the mark sorts
 * lower.
 */
function below(one: string, a: number, other: string, b: number, mark: number): number {
  return Number(other.charCodeAt(b) === mark) - Number(one.charCodeAt(a) === mark)
}

/** Digits are always newer than none, even 0: systemd's behaviour. The specification takes none for 0. */
function compareNumbers(one: string, other: string): number {
  if (one === '' || other === '') return one.length - other.length
  const a = one.replace(/^0+/, '')
  const b = other.replace(/^0+/, '')
  // By length and then by text: like values, but without a limit on the number of digits.
  if (a.length !== b.length) return a.length - b.length
  return a === b ? 0 : a < b ? -1 : 1
}

function skipSeparators(text: string, from: number): number {
  let at = from
  while (at < text.length && kindAt(text, at) === SEPARATOR) at++
  return at
}

function endOf(text: string, from: number, kind: number): number {
  let at = from
  while (at < text.length && kindAt(text, at) === kind) at++
  return at
}

function kindAt(text: string, at: number): number {
  return KINDS[text.charCodeAt(at)] ?? SEPARATOR
}

const TILDE = 0x7e
const MARKS = [0x2d, 0x5e, 0x2e] as const

const [SEPARATOR, DIGIT, LETTER, MARK] = [0, 1, 2, 3] as const

/** The meaning of an ASCII character in a version; all others separate. */
const KINDS: readonly number[] = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/[0-9]/.test(character)) return DIGIT
  if (/[A-Za-z]/.test(character)) return LETTER
  return '~-^.'.includes(character) ? MARK : SEPARATOR
})
