/**
 * Whether a name matches a pattern of systemd-boot's loader.conf: `*`, `?`, `[a-z]` without negation, `\` before a
 * literal character. Letter case is ignored. Takes at most pattern × name steps.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  const tokens = tokensOf(pattern.toLowerCase())
  if (tokens === undefined) return false
  const text = name.toLowerCase()
  let [token, at] = [0, 0]
  // The last star, and where its match in the text ends: only that star needs to be tried again.
  let [star, taken] = [-1, 0]
  while (at < text.length) {
    const wanted = tokens[token]
    if (wanted === '*') {
      star = token++
      taken = at
    } else if (wanted?.(text[at] as string)) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++taken
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

type Token = '*' | ((character: string) => boolean)

/** Undefined for a pattern that matches nothing: a bracket that is not closed, a backslash at the end. */
function tokensOf(pattern: string): Token[] | undefined {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string
    if (character === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*')
    } else if (character === '?') tokens.push(() => true)
    else if (character === '[') {
      const end = pattern.indexOf(']', at + 2)
      if (end < 0) return undefined
      tokens.push(characterClass(pattern.slice(at + 1, end)))
      at = end
    } else if (character === '\\') {
      const literal = pattern[++at]
      if (literal === undefined) return undefined
      tokens.push((candidate) => candidate === literal)
    } else tokens.push((candidate) => candidate === character)
  }
  return tokens
}

function characterClass(members: string): (character: string) => boolean {
  const ranges: [string, string][] = []
  for (let at = 0; at < members.length; at++) {
    const first = members[at] as string
    const isRange = members[at + 1] === '-' && at + 2 < members.length
    ranges.push([first, isRange ? (members[at + 2] as string) : first])
    if (isRange) at += 2
  }
  return (character) => ranges.some(([first, last]) => character >= first && character <= last)
}
