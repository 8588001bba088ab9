import { androidBoot, androidVendorBoot } from './android.ts'
import { armZimage } from './arm-zimage.ts'
import { arm64Image } from './arm64.ts'
import { fitOrDeviceTree } from './fit.ts'
import { compressionAt, type ImageFormat, magicAt, unknownImage } from './image.ts'
import { riscvImage } from './riscv.ts'
import { s390Image } from './s390.ts'
import { uimage } from './uimage.ts'
import { efiZboot } from './zboot.ts'

/** Kernels that kexec_file_load takes on other architectures, or that hold one. Some are PE executables as well: tried before PE. */
export const foreignKernels: readonly ImageFormat[] = [
  arm64Image,
  riscvImage,
  efiZboot,
  s390Image,
  // With an EFI stub, as Debian's, it is a PE executable too.
  armZimage,
]

/** Files that are often handed over in place of a kernel, each named for what it is, so that the refusal can say so. */
export const otherFiles: readonly ImageFormat[] = [
  fitOrDeviceTree,
  uimage,
  androidBoot,
  androidVendorBoot,
  named('cpio', 'a cpio archive, as initrds are', (head) => magicAt(head, 0, '070701') || magicAt(head, 0, '070702')),
  {
    name: 'compressed',
    recognise: (head) => compressionAt(head, 0) !== null,
    inspect(head) {
      const compression = compressionAt(head, 0) as string
      return { ...unknownImage, format: compression, description: `${compression}-compressed data`, compression }
    },
  },
  named('deb', 'a Debian package', (head) => magicAt(head, 0, '!<arch>\ndebian')),
  named('rpm', 'an RPM package', (head) => magicAt(head, 0, '\xed\xab\xee\xdb')),
  named('squashfs', 'a squashfs file system', (head) => magicAt(head, 0, 'hsqs')),
  named('ISO 9660', 'an ISO 9660 file system', (head) => magicAt(head, 0x8001, 'CD001')),
  named('script', 'a script', (head) => magicAt(head, 0, '#!')),
  named('text', 'a text file', isText),
]

function named(
  name: string,
  description: string,
  recognise: (head: Buffer) => boolean,
  architecture: string | null = null,
): ImageFormat {
  return { name, recognise, inspect: () => ({ ...unknownImage, format: name, description, architecture }) }
}

/** Whether the start is valid UTF-8 without control characters; a character cut off at the end of the sample does not count. */
function isText(head: Buffer): boolean {
  const sample = new TextDecoder('utf-8').decode(head.subarray(0, 1024), { stream: true })
  return sample !== '' && !/[^\t\n\r\x20-\x7e\u00a0-\ufffc]/u.test(sample)
}
