import { isUtf8 } from 'node:buffer'

/**
 * Bytes as text and back without loss. To the kernel, command lines and file names are bytes; most are UTF-8, but none
 * has to be. Each byte that is not part of UTF-8 becomes one lone surrogate, U+DC80 to U+DCFF, and becomes that byte
 * again on the way back: Python's "surrogateescape" (PEP 383). JSON keeps such text, written as `\udcXX`; for people it
 * is shown as `\xXX`.
 */
export function textOfBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isUtf8(buffer)) return buffer.toString('utf8')
  const pieces: string[] = []
  let start = 0
  for (let position = 0; position < buffer.length; ) {
    const length = characterLength(buffer, position)
    if (length > 0) {
      position += length
      continue
    }
    pieces.push(buffer.toString('utf8', start, position), String.fromCharCode(ESCAPE + (buffer[position] as number)))
    start = ++position
  }
  pieces.push(buffer.toString('utf8', start))
  return pieces.join('')
}

/** The bytes of a text that `textOfBytes` made. Any other text becomes UTF-8. */
export function bytesOfText(text: string): Buffer {
  if (!hasEscapes(text)) return Buffer.from(text)
  return Buffer.concat(
    text.split(/([\udc80-\udcff]+)/u).map((piece, index) => {
      if (index % 2 === 0) return Buffer.from(piece)
      return Buffer.from(Array.from(piece, (unit) => unit.charCodeAt(0) - ESCAPE))
    }),
  )
}

/** Whether a text has bytes that are not UTF-8. */
export function hasEscapes(text: string): boolean {
  // A lone surrogate; the halves of a pair are one character to a pattern with this flag.
  return /[\udc80-\udcff]/u.test(text)
}

/** A path as Node's functions take it: as bytes where some of them are not UTF-8. */
export function pathOf(text: string): string | Buffer {
  return hasEscapes(text) ? bytesOfText(text) : text
}

const ESCAPE = 0xdc00

/** How many bytes the UTF-8 character at a position has (RFC 3629); 0 where there is no such character. */
function characterLength(bytes: Buffer, position: number): number {
  const first = bytes[position] as number
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  return isUtf8(bytes.subarray(position, position + length)) ? length : 0
}
