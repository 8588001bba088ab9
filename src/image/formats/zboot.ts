import {
  compressionAt,
  contentsOf,
  type ImageFormat,
  imagePart,
  magicAt,
  misplaced,
  unknownImage,
} from '../model/image.ts'
import { efiStubOf, hasPeSignature, peArchitecture } from './pe.ts'

/** EFI zboot: drivers/firmware/efi/libstub/zboot-header.S. The kernel's own compression lies behind a small EFI program. */
export const zboot: ImageFormat = {
  name: 'EFI zboot',
  recognise: (head) => magicAt(head, 0, 'MZ') && magicAt(head, 4, 'zimg') && head.length >= 0x38,
  inspect(head) {
    const architecture = peArchitecture(head)
    const compression = compressionOf(head)
    return {
      ...unknownImage,
      format: 'EFI zboot',
      description: `an EFI zboot image${architecture === null ? '' : ` for ${architecture}`} (a kernel in ${compression})`,
      architecture,
      compression,
      signature: hasPeSignature(head) ? 'present' : 'absent',
      efiStub: efiStubOf(head),
      minimumSize: head.readUInt32LE(8) + head.readUInt32LE(12),
    }
  },
  unpack(source) {
    const head = source.read(0, 0x38)
    if (head.length < 0x38) return contentsOf([], ['it ends inside its header'])
    const offset = head.readUInt32LE(8)
    const length = head.readUInt32LE(12)
    const compression = compressionAt(source.read(offset, 8), 0) ?? compressionOf(head)
    // Behind the payload the build writes its size, except where the stream has it: "ZBOOT_SIZE_LEN" of Makefile.zboot.
    // Here it serves streams without a check of their own.
    const trailer = compression === 'lz4' || compression === 'lzma' ? source.read(offset + length, 4) : undefined
    const unpackedSize = trailer?.length === 4 ? trailer.readUInt32LE(0) : null
    const part = imagePart({ kind: 'kernel', name: 'payload', offset, length, compression, unpackedSize })
    const problem = misplaced(part, source.size)
    return problem === undefined ? contentsOf([part]) : contentsOf([], [problem])
  },
}

/** The name in the header; the kernel's build has variants of some ("xzkern", "zstd22"). */
function compressionOf(head: Buffer): string {
  const name = head.toString('latin1', 0x18, 0x30).replace(/\0.*$/s, '')
  return (
    ['gzip', 'zstd', 'xz', 'lzma', 'lz4', 'lzo', 'bzip2'].find((known) => name.startsWith(known)) ??
    `an unknown compression`
  )
}
