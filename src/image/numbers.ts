/** A number of 64 bits as a JavaScript one. Beyond 2^53, where no file or memory is, the nearest that can be told. */
export function bigEnough(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
}

/** The text in a field of `length` bytes that ends with the field or a NUL before; what `bytes` lacks is not read. */
export function fieldText(bytes: Buffer, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? field.length : end)
}

/** Text out of a file as one line for people: no control characters, at most 80 characters. */
export function oneLine(text: string): string {
  const line = text.replace(/[^\x20-\x7e\u00a0-\ufffc]+/gu, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}
