const UNITS = ['KiB', 'MiB', 'GiB', 'TiB']

/** A number of bytes for people, in the largest unit that leaves at least 1: '512 bytes', '4.9 KiB', '13.5 MiB'. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
  let value = bytes
  let unit = ''
  for (const next of UNITS) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return `${value.toFixed(1)} ${unit}`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNSEEN = /[\x00-\x1f\x7f-\x9f\udc80-\udcff]/gu

/**
 * A text that must stay on its line, such as one with a file name in it: control characters become `\x0a` and the like, and
 * so do bytes that are not UTF-8 (`textOfBytes`).
 */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, (found) => `\\x${(found.charCodeAt(0) & 0xff).toString(16).padStart(2, '0')}`)
}
