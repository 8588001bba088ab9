/** Longer texts, and patterns with more repetitions, are not tried: matching could take for ever. */
const MAX_TEXT = 512
const MAX_REPETITIONS = 3

/**
 * Matches a POSIX extended regular expression, as GRUB's `regexp` has it, in the forms that configurations use.
 * @returns its groups; null when it does not match; undefined when that cannot be told.
 */
export function matchPattern(pattern: string, text: string): readonly string[] | null | undefined {
  const repetitions = pattern.match(/[*+{]/g)?.length ?? 0
  // A repeated group may be tried in exponentially many ways.
  if (text.length > MAX_TEXT || pattern.length > MAX_TEXT || repetitions > MAX_REPETITIONS || /\)[*+{]/.test(pattern))
    return undefined
  try {
    const match = new RegExp(withoutClasses(pattern), 's').exec(text)
    return match === null ? null : match.map((group) => group ?? '')
  } catch {
    return undefined
  }
}

function withoutClasses(pattern: string): string {
  const classes: Record<string, string> = {
    digit: '0-9',
    alpha: 'a-zA-Z',
    alnum: 'a-zA-Z0-9',
    upper: 'A-Z',
    lower: 'a-z',
    space: '\\s',
    blank: ' \\t',
    xdigit: '0-9a-fA-F',
    punct: '!-\\/:-@\\[-`{-~',
  }
  return pattern.replace(/\[:(\w+):\]/g, (whole, name: string) => classes[name] ?? whole)
}
