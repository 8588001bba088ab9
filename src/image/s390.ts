import type { ByteSource } from './bytes.ts'
import { type ImageFormat, magicAt, unknownImage } from './image.ts'
import { bigEnough } from './numbers.ts'

/**
 * The two channel command words of the initial program load that every image starts with, after its first status word
 * (arch/s390/boot/head.S; also what file(1) looks for). The mark "S390EP" lies beyond the head, at 64 KiB.
 */
const CHANNEL_COMMANDS = '\x02\0\0\x18\x60\0\0\x50\x02\0\0\x68\x60\0\0\x50'
const ENTRY_MARK = 0x10008
/** struct parmarea of arch/s390/include/asm/setup.h is at 0x10400. */
const MAX_COMMAND_LINE = 0x10430
/** COMMAND_LINE_SIZE of kernels that do not state it (before 5.17). */
const OLD_COMMAND_LINE = 896

/** IBM Z's kernel image, arch/s390/boot/bzImage. */
export const s390Image: ImageFormat = {
  name: 's390 image',
  recognise: (head) => magicAt(head, 8, CHANNEL_COMMANDS),
  inspect: () => ({
    ...unknownImage,
    format: 's390 image',
    description: 'a kernel image of IBM Z (s390)',
    architecture: 's390x',
    minimumSize: MAX_COMMAND_LINE + 8,
  }),
}

/** What lies beyond the head: undefined when this is no s390 image or it ends before. */
export function readS390Parameters(source: ByteSource): { readonly commandLineSize: number } | undefined {
  if (!s390Image.recognise(source.read(0, 64)) || !magicAt(source.read(ENTRY_MARK, 6), 0, 'S390EP')) return undefined
  const field = source.read(MAX_COMMAND_LINE, 8)
  if (field.length < 8) return undefined
  return { commandLineSize: bigEnough(field.readBigUInt64BE(0)) || OLD_COMMAND_LINE }
}
