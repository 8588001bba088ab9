import type { ByteSource } from '../bytes/bytes.ts'

/** How the kernel finds it: Documentation/admin-guide/bootconfig.rst, "Boot Kernel With a Boot Config". */
const MAGIC = '#BOOTCONFIG\n'

/** XBC_DATA_MAX of include/linux/bootconfig.h, bytes. */
export const MAX_BOOTCONFIG = 32 * 1024 - 1

/**
 * A boot configuration in its form at the end of an initrd: itself, zeros up to a multiple of 4 bytes, its length with
 * them, the sum of its bytes, and a mark.
 */
export function bootconfigTrailer(text: Buffer): Buffer {
  const padded = Buffer.concat([text, Buffer.alloc((4 - (text.length % 4)) % 4)])
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32LE(padded.length, 0)
  numbers.writeUInt32LE(padded.reduce((sum, byte) => sum + byte, 0) >>> 0, 4)
  return Buffer.concat([padded, numbers, Buffer.from(MAGIC)])
}

/** Bytes of an initrd before its bootconfig: the kernel cuts that off (get_boot_config_from_initrd in init/main.c). */
export function sizeWithoutBootconfig(initrd: ByteSource): number {
  const end = initrd.size - MAGIC.length
  if (end < 8 || initrd.read(end, MAGIC.length).toString('latin1') !== MAGIC) return initrd.size
  const numbers = initrd.read(end - 8, 8)
  const start = end - 8 - numbers.readUInt32LE(0)
  if (start < 0) return initrd.size
  const sum = initrd.read(start, end - 8 - start).reduce((all, byte) => (all + byte) >>> 0, 0)
  return sum === numbers.readUInt32LE(4) ? start : initrd.size
}
