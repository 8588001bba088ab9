import type { CompressionName } from '../model/format-name.ts'
import { compressionAt, contentsOf, type ImageFormat, imagePart, unknownImage } from '../model/image.ts'

/** A kernel, or any other file, compressed as a whole: Image.gz, vmlinux.xz, an initrd. */
export const compressed: ImageFormat = {
  name: 'compressed',
  recognise: (head) => compressionAt(head, 0) !== null,
  inspect(head) {
    const compression = compressionAt(head, 0) as CompressionName
    return { ...unknownImage, format: compression, description: `${compression}-compressed data`, compression }
  },
  unpack(source) {
    const compression = compressionAt(source.read(0, 16), 0)
    return contentsOf([imagePart({ kind: 'kernel', name: 'content', offset: 0, length: source.size, compression })])
  },
}
