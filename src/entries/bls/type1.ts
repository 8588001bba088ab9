/**
 * The keys of a Boot Loader Specification type 1 file with their values, in the order of the file: `initrd` and `options`
 * may be repeated (https://uapi-group.org/specifications/specs/boot_loader_specification/). Keys are case-sensitive.
 * Values are as written, quotes and all: GRUB keeps the quotes that systemd-boot takes off (`unquote`).
 */
export type Type1Keys = ReadonlyMap<string, readonly string[]>

/** Reads a type 1 file. Lines that are no `key value` are passed over, as boot loaders do. */
export function parseType1(text: string): Type1Keys {
  const keys = new Map<string, string[]>()
  for (const [key, value] of keyValueLines(text)) {
    const values = keys.get(key)
    if (values === undefined) keys.set(key, [value])
    else values.push(value)
  }
  return keys
}

/**
 * The `key value` lines of a type 1 file or a loader.conf, as systemd-boot reads them: blanks around a line do not count,
 * a key ends at the first blank, `#` begins a comment only at the start of a line, lines end with LF or CR, and the text
 * ends at the first NUL.
 */
export function keyValueLines(text: string): [key: string, value: string, line: number][] {
  const lines: [string, string, number][] = []
  const end = text.indexOf('\0')
  const whole = end < 0 ? text : text.slice(0, end)
  let number = 0
  for (const physical of whole.split('\n')) {
    number++
    for (const part of physical.includes('\r') ? physical.split('\r') : [physical]) {
      const line = trimBlanks(part)
      if (line === '' || line.startsWith('#')) continue
      const blank = firstBlank(line)
      if (blank > 0) lines.push([line.slice(0, blank), trimBlanks(line.slice(blank)), number])
    }
  }
  return lines
}

/** Takes off the quotes around a whole value, as systemd-boot does: also from `"a=b" c="d"`, which is a mistake to write. */
export function unquote(value: string): string {
  const quote = value[0]
  if ((quote !== '"' && quote !== "'") || !value.endsWith(quote)) return value
  return value.length === 1 ? '' : value.slice(1, -1)
}

/** Without spaces and tabs at both ends; other white space belongs to the value. */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text[start])) start++
  while (end > start && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

function firstBlank(line: string): number {
  for (let at = 0; at < line.length; at++) if (isBlank(line[at])) return at
  return -1
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
