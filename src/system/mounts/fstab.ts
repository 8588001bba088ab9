import { posix } from 'node:path'
import type { System } from '../system.ts'
import { unescapeOctal } from './octal.ts'

/** The mounts at boot: fstab(5). */
export const FSTAB = '/etc/fstab'

export interface ConfiguredMount {
  /** Without a slash at its end; 'none' for swap space. */
  readonly mountPoint: string
  /** '/dev/sda2', 'UUID=…'. */
  readonly device: string
  readonly type: string | undefined
  readonly options: readonly string[]
  /** The line as it stands there, without white space around it. */
  readonly line: string
}

/** The lines of fstab in order; none where there is no such file. */
export function readFstab(system: System): ConfiguredMount[] {
  return (system.readText(FSTAB) ?? '').split('\n').flatMap((text) => {
    const line = text.trim()
    const [device, mountPoint, type, options] = line.split(/\s+/)
    if (device === undefined || device.startsWith('#') || mountPoint === undefined) return []
    return [
      {
        mountPoint: posix.normalize(unescapeOctal(mountPoint)).replace(/(.)\/$/, '$1'),
        device: unescapeOctal(device.replace(/"/g, '')),
        type,
        options: (options ?? '').split(','),
        line,
      },
    ]
  })
}
