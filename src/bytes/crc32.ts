import * as zlib from 'node:zlib'

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** The CRC-32 of zlib, as xz, uImage and FIT use it. Node has it from 20.15 and 22.2 on. */
export function crc32(bytes: Uint8Array, start = 0): number {
  // Without bytes Node 20 and 22 answer 0, for any earlier value.
  if (bytes.length === 0) return start
  const native = (zlib as { crc32?: (bytes: Uint8Array, start?: number) => number }).crc32
  return native === undefined ? crc32InJavaScript(bytes, start) : native(bytes, start)
}

/** The same for runtimes without it. */
export function crc32InJavaScript(bytes: Uint8Array, start = 0): number {
  let crc = ~start
  for (let index = 0; index < bytes.length; index++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[index] as number)) & 255] as number)
  }
  return ~crc >>> 0
}

/** CRC-16/XMODEM, which U-Boot calls crc16-ccitt: polynomial 0x1021, from 0, the highest bit first (lib/crc16-ccitt.c). */
export function crc16(bytes: Uint8Array, start = 0): number {
  let crc = start
  for (let index = 0; index < bytes.length; index++) {
    crc = ((crc << 8) & 0xffff) ^ (table16[(crc >>> 8) ^ (bytes[index] as number)] as number)
  }
  return crc
}

const table16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})
