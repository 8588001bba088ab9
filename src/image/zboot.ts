import { type ImageFormat, magicAt, unknownImage } from './image.ts'
import { fieldText, oneLine } from './numbers.ts'
import { hasPeSignature, peArchitecture } from './pe.ts'

/** drivers/firmware/efi/libstub/zboot-header.S. */
const header = { mark: 4, payloadOffset: 8, payloadSize: 12, compression: 24, compressionLength: 32, end: 64 } as const

/** Names of the kernel's build (scripts/Makefile.lib) for what others call by its own. */
const compressions: ReadonlyMap<string, string> = new Map([
  ['xzkern', 'xz'],
  ['zstd22', 'zstd'],
])

/** Where the compressed kernel lies in an EFI zboot image. */
export interface ZbootHeader {
  /** Of the payload, from the start of the file. */
  readonly offset: number
  /** Of the payload in the file, bytes. */
  readonly size: number
  /** 'gzip', 'zstd', …; as the header has it when the name is not known. */
  readonly compression: string
}

/** EFI zboot (CONFIG_EFI_ZBOOT): an EFI program that unpacks the kernel it holds. */
export const efiZboot: ImageFormat = {
  name: 'EFI zboot',
  recognise: (head) => magicAt(head, header.mark, 'zimg') && magicAt(head, 0, 'MZ'),
  inspect(head) {
    const image = { ...unknownImage, format: 'EFI zboot' }
    const fields = readZbootHeader(head)
    if (fields === undefined) {
      return { ...image, description: 'a truncated EFI zboot image', minimumSize: header.end }
    }
    return {
      ...image,
      description: `an EFI zboot image (a kernel compressed with ${oneLine(fields.compression) || 'nothing known'})`,
      architecture: peArchitecture(head),
      signature: hasPeSignature(head) ? 'present' : 'absent',
      compression: oneLine(fields.compression) || null,
      minimumSize: fields.offset + fields.size,
    }
  },
}

/** Undefined when `head` is no EFI zboot image or ends within its header. */
export function readZbootHeader(head: Buffer): ZbootHeader | undefined {
  if (head.length < header.end || !efiZboot.recognise(head)) return undefined
  const name = fieldText(head, header.compression, header.compressionLength)
  return {
    offset: head.readUInt32LE(header.payloadOffset),
    size: head.readUInt32LE(header.payloadSize),
    compression: compressions.get(name) ?? name,
  }
}
