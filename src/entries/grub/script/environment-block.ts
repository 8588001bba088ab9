/** The beginning of an environment block, as grub-editenv writes it. */
const SIGNATURE = '# GRUB Environment Block'

/**
 * The variables of an environment block, /boot/grub/grubenv: `name=value` lines in 1024 bytes, the rest padded with
 * `#`; a backslash in a value makes the next character literal. Undefined when it is not one.
 */
export function parseEnvironmentBlock(text: string): Map<string, string> | undefined {
  if (!text.startsWith(SIGNATURE)) return undefined
  const variables = new Map<string, string>()
  let at = text.indexOf('\n') + 1
  while (at > 0 && at < text.length) {
    const end = endOfLine(text, at)
    const line = text.slice(at, end)
    const equals = line.indexOf('=')
    if (!line.startsWith('#') && equals > 0)
      variables.set(line.slice(0, equals), line.slice(equals + 1).replace(/\\([\s\S])/g, '$1'))
    at = end + 1
  }
  return variables
}

/** A line ends at a line break without a backslash before it. */
function endOfLine(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '\n') return at
  }
  return text.length
}
