import type { FormatName } from '../model/format-name.ts'
import { type ImageFormat, magicAt, unknownImage } from '../model/image.ts'

/** Files that are often given in place of a kernel, each identified, so that the refusal can name it. */
export const otherFiles: readonly ImageFormat[] = [
  named(
    'cpio',
    'a cpio archive, the format of initrds',
    (head) => magicAt(head, 0, '070701') || magicAt(head, 0, '070702'),
  ),
  named('old cpio', 'a cpio archive of the old format, which no kernel unpacks', (head) => magicAt(head, 0, '070707')),
  named('deb', 'a Debian package', (head) => magicAt(head, 0, '!<arch>\ndebian')),
  named('rpm', 'an RPM package', (head) => magicAt(head, 0, '\xed\xab\xee\xdb')),
  named('squashfs', 'a squashfs file system', (head) => magicAt(head, 0, 'hsqs')),
  named('cramfs', 'a cramfs file system', (head) => magicAt(head, 0, '\x45\x3d\xcd\x28')),
  named('romfs', 'a romfs file system', (head) => magicAt(head, 0, '-rom1fs-')),
  named('ext', 'an ext2, ext3 or ext4 file system', (head) => magicAt(head, 0x438, '\x53\xef')),
  named('ISO 9660', 'an ISO 9660 file system', (head) => magicAt(head, 0x8001, 'CD001')),
  named('script', 'a script', (head) => magicAt(head, 0, '#!')),
  named('text', 'a text file', isText),
]

function named(name: FormatName, description: string, recognise: (head: Buffer) => boolean): ImageFormat {
  return { name, recognise, inspect: () => ({ ...unknownImage, format: name, description }) }
}

/**
 * Whether the start is valid UTF-8 without control characters; a truncated character at the end of the sample does not
 * count.
 */
function isText(head: Buffer): boolean {
  const sample = new TextDecoder('utf-8').decode(head.subarray(0, 1024), { stream: true })
  return sample !== '' && !/[^\t\n\r\x20-\x7e\u00a0-\ufffc]/u.test(sample)
}
