import { type ImageFormat, magicAt, unknownImage } from './image.ts'

/** arch/arm/boot/compressed/head.S, after the eight no-operations at `start`. */
const header = { magic: 0x24, start: 0x28, end: 0x2c, length: 0x30 } as const

/** 32-bit ARM's self-extracting kernel. The marks are in the byte order of a kernel whose instructions may not be (BE8). */
export const armZimage: ImageFormat = {
  name: 'ARM zImage',
  recognise: (head) => magicAt(head, header.magic, '\x18\x28\x6f\x01') || isBig(head),
  inspect(head) {
    const image = { ...unknownImage, format: 'ARM zImage', relocatable: true }
    const big = isBig(head)
    const architecture = big ? 'armv7b' : 'armv7l'
    const description = `a 32-bit ARM zImage${big ? ' (big-endian)' : ''}`
    if (head.length < header.length) return { ...image, architecture, description, minimumSize: header.length }
    const read = (offset: number) => (big ? head.readUInt32BE(offset) : head.readUInt32LE(offset))
    const size = read(header.end) - read(header.start)
    return { ...image, architecture, description, minimumSize: size > 0 ? size : null }
  },
}

const isBig = (head: Buffer) => magicAt(head, header.magic, '\x01\x6f\x28\x18')
