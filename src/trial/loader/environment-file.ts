import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs'
import { setVariable, variableIn } from './environment-block.ts'
import type { SettingFile } from './setting-file.ts'

/**
 * GRUB's environment block. It is overwritten in place, as GRUB itself does it: GRUB does not replay the journal of a file
 * system, and where that cannot be emptied (XFS) would find a replaced file only after the next clean unmount.
 */
export const environmentFile: SettingFile = {
  what: "GRUB's environment block",
  look: (path) => `grub-editenv ${path} list`,
  valueIn: variableIn,
  withValue: setVariable,
  write(host, content, former) {
    try {
      overwrite(host, content)
    } catch (error) {
      try {
        overwrite(host, former)
      } catch {
        // The first error is the one to report.
      }
      throw error
    }
  },
}

function overwrite(path: string, content: Buffer): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    for (let written = 0; written < content.length; )
      written += writeSync(fd, content, written, content.length - written, written)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
