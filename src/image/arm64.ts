import { type ImageFormat, magicAt, unknownImage } from './image.ts'
import { bigEnough } from './numbers.ts'

/** Documentation/arch/arm64/booting.rst, "Call the kernel image". All fields are little-endian, whatever the kernel is. */
const header = { textOffset: 8, imageSize: 16, flags: 24, magic: 56, peOffset: 60, end: 64 } as const

/** The head of an arm64 Image. */
export interface Arm64Header {
  readonly endianness: 'little' | 'big'
  /** Bytes, or null when the kernel does not say (before 4.6). */
  readonly pageSize: number | null
  /** From the start of memory that it wants to be loaded at, bytes. */
  readonly textOffset: number
  /** Memory it takes, .bss included; 0 when it does not say (before 3.17). */
  readonly imageSize: number
  /** Whether it may lie anywhere in memory, not only near its start. */
  readonly anywhere: boolean
  readonly hasEfiStub: boolean
}

/** Linux/arm64 boot protocol, Documentation/arch/arm64/booting.rst. */
export const arm64Image: ImageFormat = {
  name: 'arm64 Image',
  recognise: (head) => magicAt(head, header.magic, 'ARM\x64'),
  inspect(head) {
    const image = { ...unknownImage, format: 'arm64 Image', architecture: 'aarch64' }
    const fields = readArm64Header(head)
    if (fields === undefined) return { ...image, description: 'a truncated arm64 Image', minimumSize: header.end }
    const traits = [
      ...(fields.endianness === 'big' ? ['big-endian'] : []),
      ...(fields.pageSize === null ? [] : [`pages of ${fields.pageSize / 1024} KiB`]),
    ]
    return {
      ...image,
      architecture: fields.endianness === 'big' ? 'aarch64_be' : 'aarch64',
      description: `an arm64 Image${traits.length === 0 ? '' : ` (${traits.join(', ')})`}`,
      relocatable: true,
      memoryNeeded: fields.imageSize === 0 ? null : fields.imageSize,
    }
  },
}

/** Undefined when `head` is no arm64 Image or ends within its header. */
export function readArm64Header(head: Buffer): Arm64Header | undefined {
  if (head.length < header.end || !arm64Image.recognise(head)) return undefined
  // Bits 0 to 3 tell all there is; the other 60 are reserved.
  const flags = head.readUInt32LE(header.flags)
  const pageSizes = [null, 4096, 16384, 65536] as const
  return {
    endianness: (flags & 1) === 0 ? 'little' : 'big',
    pageSize: pageSizes[(flags >> 1) & 3] ?? null,
    textOffset: bigEnough(head.readBigUInt64LE(header.textOffset)),
    imageSize: bigEnough(head.readBigUInt64LE(header.imageSize)),
    anywhere: (flags & 8) !== 0,
    hasEfiStub: magicAt(head, 0, 'MZ') && magicAt(head, head.readUInt32LE(header.peOffset), 'PE\0\0'),
  }
}
