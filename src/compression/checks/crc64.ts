/** ECMA-182, reflected: the default check of the xz program. */
const POLYNOMIAL_HIGH = 0xc96c5795
const POLYNOMIAL_LOW = 0xd7870f42

/** Bytes that one step takes: a table for each. */
const WIDTH = 8

// JavaScript has no fast 64-bit integers, so each number is two of 32 bits.
const high = new Int32Array(256 * WIDTH)
const low = new Int32Array(256 * WIDTH)
for (let byte = 0; byte < 256; byte++) {
  let upper = 0
  let lower = byte
  for (let bit = 0; bit < 8; bit++) {
    const odd = lower & 1
    lower = (lower >>> 1) | (upper << 31)
    upper >>>= 1
    if (odd === 0) continue
    upper ^= POLYNOMIAL_HIGH
    lower ^= POLYNOMIAL_LOW
  }
  high[byte] = upper
  low[byte] = lower
}
for (let index = 256; index < 256 * WIDTH; index++) {
  const upper = high[index - 256] as number
  const lower = low[index - 256] as number
  const byte = lower & 255
  high[index] = (upper >>> 8) ^ (high[byte] as number)
  low[index] = ((lower >>> 8) | (upper << 24)) ^ (low[byte] as number)
}

/** CRC-64 of a stream. */
export class Crc64 {
  #high = -1
  #low = -1

  update(bytes: Uint8Array): void {
    let upper = this.#high
    let lower = this.#low
    const whole = bytes.length - (bytes.length % WIDTH)
    let at = 0
    for (; at < whole; at += WIDTH) {
      const a = 1792 | ((lower ^ (bytes[at] as number)) & 255)
      const b = 1536 | (((lower >>> 8) ^ (bytes[at + 1] as number)) & 255)
      const c = 1280 | (((lower >>> 16) ^ (bytes[at + 2] as number)) & 255)
      const d = 1024 | ((lower >>> 24) ^ (bytes[at + 3] as number))
      const e = 768 | ((upper ^ (bytes[at + 4] as number)) & 255)
      const f = 512 | (((upper >>> 8) ^ (bytes[at + 5] as number)) & 255)
      const g = 256 | (((upper >>> 16) ^ (bytes[at + 6] as number)) & 255)
      const h = (upper >>> 24) ^ (bytes[at + 7] as number)
      upper = table(high, a, b, c, d) ^ table(high, e, f, g, h)
      lower = table(low, a, b, c, d) ^ table(low, e, f, g, h)
    }
    for (; at < bytes.length; at++) {
      const index = (lower ^ (bytes[at] as number)) & 255
      lower = ((lower >>> 8) | (upper << 24)) ^ (low[index] as number)
      upper = (upper >>> 8) ^ (high[index] as number)
    }
    this.#high = upper
    this.#low = lower
  }

  /** Whether eight bytes, little-endian, are this CRC. */
  matches(expected: Buffer): boolean {
    return expected.readInt32LE(0) === ~this.#low && expected.readInt32LE(4) === ~this.#high
  }
}

function table(from: Int32Array, a: number, b: number, c: number, d: number): number {
  return (from[a] as number) ^ (from[b] as number) ^ (from[c] as number) ^ (from[d] as number)
}
