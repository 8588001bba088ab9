/**
 * Removes the quotes around a whole value, as systemd-boot does: even from `"a=b" c="d"`, which is a mistake to write.
 */
export function unquote(value: string): string {
  const quote = value[0]
  if ((quote !== '"' && quote !== "'") || !value.endsWith(quote)) return value
  return value.length === 1 ? '' : value.slice(1, -1)
}

/** Without spaces and tabs at both ends; other white space belongs to the value. */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
