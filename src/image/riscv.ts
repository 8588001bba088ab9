import { type ImageFormat, magicAt, unknownImage } from './image.ts'
import { bigEnough } from './numbers.ts'

/** Documentation/arch/riscv/boot-image-header.rst. */
const header = { textOffset: 8, imageSize: 16, flags: 24, version: 32, magic: 56, peOffset: 60, end: 64 } as const

/** The head of a RISC-V Image. */
export interface RiscvHeader {
  readonly endianness: 'little' | 'big'
  readonly textOffset: number
  /** Memory it takes, .bss included, bytes. */
  readonly imageSize: number
  /** Of the header: '0.2'. */
  readonly headerVersion: string
  readonly hasEfiStub: boolean
}

/** Documentation/arch/riscv/boot-image-header.rst. It does not tell 32 bits from 64; what is shipped has 64. */
export const riscvImage: ImageFormat = {
  name: 'riscv Image',
  recognise: (head) => magicAt(head, header.magic, 'RSC\x05'),
  inspect(head) {
    const image = { ...unknownImage, format: 'riscv Image', architecture: 'riscv64' }
    const fields = readRiscvHeader(head)
    if (fields === undefined) return { ...image, description: 'a truncated RISC-V Image', minimumSize: header.end }
    return {
      ...image,
      description: `a RISC-V Image${fields.endianness === 'big' ? ' (big-endian)' : ''}`,
      relocatable: true,
      memoryNeeded: fields.imageSize === 0 ? null : fields.imageSize,
    }
  },
}

/** Undefined when `head` is no RISC-V Image or ends within its header. */
export function readRiscvHeader(head: Buffer): RiscvHeader | undefined {
  if (head.length < header.end || !riscvImage.recognise(head)) return undefined
  const version = head.readUInt32LE(header.version)
  return {
    endianness: (head.readUInt32LE(header.flags) & 1) === 0 ? 'little' : 'big',
    textOffset: bigEnough(head.readBigUInt64LE(header.textOffset)),
    imageSize: bigEnough(head.readBigUInt64LE(header.imageSize)),
    headerVersion: `${version >>> 16}.${version & 0xffff}`,
    hasEfiStub: magicAt(head, 0, 'MZ') && magicAt(head, head.readUInt32LE(header.peOffset), 'PE\0\0'),
  }
}
