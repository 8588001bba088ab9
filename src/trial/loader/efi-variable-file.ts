import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { native } from '../../native.ts'
import type { SettingFile } from './setting-file.ts'

/** efivarfs puts 32 bits of attributes before the content (Documentation/filesystems/efivarfs.rst). */
const ATTRIBUTES = 4

/** FS_IMMUTABLE_FL of include/uapi/linux/fs.h: efivarfs protects most variables by it. */
const IMMUTABLE = 0x10

/** A text variable of the Boot Loader Interface in efivarfs: UTF-16 with a NUL at its end. The firmware replaces it whole. */
export const efiVariableFile: SettingFile = {
  what: 'the EFI variable',
  look: () => 'bootctl status',
  valueIn: (content) => textOf(content),
  withValue(content, name, value) {
    const former = textOf(content)
    if (former === null || !contentOf(content, former).equals(content)) return `${name} is not a text`
    return value === null ? `${name} was set before` : contentOf(content, value)
  },
  write: replaceVariable,
}

function textOf(content: Buffer): string | null {
  const text = content.toString('utf16le', ATTRIBUTES).replace(/\0.*$/su, '')
  return text === '' ? null : text
}

function contentOf(former: Buffer, text: string): Buffer {
  return Buffer.concat([former.subarray(0, ATTRIBUTES), Buffer.from(`${text}\0`, 'utf16le')])
}

/** With one write: each one replaces the variable. The flag comes back in any case. */
function replaceVariable(host: string, content: Buffer): void {
  const fd = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const flags = native().getInodeFlags(fd)
    const isImmutable = flags > 0 && (flags & IMMUTABLE) !== 0
    // A failure shows when the file is opened for writing.
    if (isImmutable) native().setInodeFlags(fd, flags & ~IMMUTABLE)
    try {
      writeOnce(host, content)
    } finally {
      if (isImmutable) native().setInodeFlags(fd, flags)
    }
  } finally {
    closeSync(fd)
  }
}

function writeOnce(host: string, content: Buffer): void {
  const fd = openSync(host, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    const written = writeSync(fd, content)
    if (written !== content.length) throw new Error(`${written} of ${content.length} bytes were written`)
  } finally {
    closeSync(fd)
  }
}
