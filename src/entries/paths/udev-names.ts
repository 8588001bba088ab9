import { bytesOfText, textOfBytes } from '../../exact-text.ts'

/** udev writes characters that may not appear in a file name as \xNN. */
export function unescapeHex(name: string): string {
  if (!name.includes('\\x')) return name
  const bytes = bytesOfText(name).toString('latin1')
  const plain = bytes.replace(/\\x([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
  return textOfBytes(Buffer.from(plain, 'latin1'))
}
