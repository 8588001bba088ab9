import { isBlank, trimBlanks } from '../efi/blanks.ts'

/**
 * The keys of a Boot Loader Specification type 1 file with their values, in the order of the file: `initrd` and
 * `options` may be repeated (https://uapi-group.org/specifications/specs/boot_loader_specification/). Keys are
 * case-sensitive. Values are as written, with quotes: GRUB keeps the quotes that systemd-boot removes (`unquote`).
 */
export type Type1Keys = ReadonlyMap<string, readonly string[]>

/** Reads a type 1 file. Other lines than `key value` are skipped, as boot loaders do. */
export function parseType1(text: string): Type1Keys {
  const keys = new Map<string, string[]>()
  forEachKeyValue(text, (key, value) => {
    const values = keys.get(key)
    if (values === undefined) keys.set(key, [value])
    else values.push(value)
  })
  return keys
}

/**
 * Visits the `key value` lines of a type 1 file or a loader.conf, as systemd-boot reads them: blanks around a line are
 * ignored, a key ends at the first blank, `#` begins a comment only at the start of a line, lines end with LF or CR,
 * and the text ends at the first NUL. Line numbers count LFs.
 */
export function forEachKeyValue(text: string, visit: (key: string, value: string, line: number) => void): void {
  const nul = text.indexOf('\0')
  const end = nul < 0 ? text.length : nul
  let number = 1
  for (let start = 0; start < end; number++) {
    const feed = text.indexOf('\n', start)
    const stop = feed < 0 || feed > end ? end : feed
    const line = text.slice(start, stop)
    if (!line.includes('\r')) visitLine(line, number, visit)
    else for (const part of line.split('\r')) visitLine(part, number, visit)
    start = stop + 1
  }
}

function visitLine(text: string, number: number, visit: (key: string, value: string, line: number) => void): void {
  const line = trimBlanks(text)
  if (line === '' || line.startsWith('#')) return
  let blank = 1
  while (blank < line.length && !isBlank(line.charCodeAt(blank))) blank++
  if (blank < line.length) visit(line.slice(0, blank), trimBlanks(line.slice(blank)), number)
}
