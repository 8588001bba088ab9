const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320
  return value
})

/**
 * CRC-32 as in gzip, xz and U-Boot (IEEE 802.3), of `bytes` after what gave `previous`. zlib.crc32 does the same, but not
 * in every Node 20.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  let value = ~previous
  for (let index = 0; index < bytes.length; index++) {
    value = (table[(value ^ (bytes[index] as number)) & 0xff] as number) ^ (value >>> 8)
  }
  return ~value >>> 0
}
