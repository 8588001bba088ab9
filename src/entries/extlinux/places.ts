import { posix } from 'node:path'
import { filesAt } from '../paths/loader-path.ts'
import type { Survey } from '../survey/survey.ts'
import type { Variant } from './selectors.ts'

/**
 * Where SYSLINUX, its variants and U-Boot look, and where media keep their files, below each root; letter case is
 * ignored.
 */
const tops = ['/boot', '', '/efi', '/boot/efi', '/esp', '/boot/firmware']
const names = [
  'extlinux/extlinux.conf',
  'extlinux.conf',
  'syslinux/extlinux.conf',
  'syslinux/syslinux.cfg',
  'syslinux/isolinux.cfg',
  'syslinux.cfg',
  'isolinux/isolinux.cfg',
  'isolinux.cfg',
  'EFI/syslinux/syslinux.cfg',
  'EFI/BOOT/syslinux.cfg',
  'x86_64/loader/isolinux.cfg',
  'i386/loader/isolinux.cfg',
  'pxelinux.cfg/default',
]

/** Their programs. A configuration in the same directory is theirs, at any place. */
const programs =
  /^(?:ldlinux\.(?:sys|c32|e64|e32)|extlinux\.sys|isolinux(?:-debug)?\.bin|[gl]?pxelinux\.0|syslinux\.efi)$/i

/**
 * The files that each looks for beside itself; the first that exists counts (core/fs/lib/loadconfig.c, iso9660.c,
 * pxe.c).
 */
const besideProgram = [
  'extlinux.conf',
  'syslx64.cfg',
  'syslia32.cfg',
  'syslinux.cfg',
  'isolinux.cfg',
  'pxelinux.cfg/default',
]

const MAX_DEPTH = 3
const MAX_DIRECTORIES = 500

/** The configurations of a system, the likeliest first. */
export function configurations(survey: Survey): string[] {
  const usual = tops.flatMap((top) => names.map((name) => `${top}/${name}`))
  return filesAt([...usual, ...besidePrograms(survey)], survey)
}

/** A root file system has too many directories, and none of a medium's. */
function besidePrograms({ system }: Survey): string[] {
  const isMedium = !['/etc', '/usr', '/var'].some((directory) => system.exists(directory))
  const pending = tops.filter((top) => top !== '' || isMedium).map((top) => ({ path: top, depth: 0 }))
  const seen = new Set<string>()
  const found: string[] = []
  for (let next = pending.shift(); next !== undefined && seen.size < MAX_DIRECTORIES; next = pending.shift()) {
    if (seen.has(next.path)) continue
    seen.add(next.path)
    const { path, depth } = next
    const inside = system.list(path === '' ? '/' : path)
    if (inside.some((name) => programs.test(name))) found.push(...besideProgram.map((name) => `${path}/${name}`))
    if (depth === MAX_DEPTH) continue
    // Directories have no dots in their names on these media, so a name with one is a file, and is not searched.
    for (const name of inside.slice(0, MAX_DIRECTORIES))
      if (!name.includes('.')) pending.push({ path: `${path}/${name}`, depth: depth + 1 })
  }
  return found
}

/** The directory that relative paths start from: the configuration's; for PXELINUX, the program's. */
export function directoryOf(config: string): string {
  const directory = posix.dirname(config)
  return isOfPxelinux(config) ? posix.dirname(directory) : directory
}

function isOfPxelinux(config: string): boolean {
  return posix.basename(posix.dirname(config)).toLowerCase() === 'pxelinux.cfg'
}

/** The variant that starts from a configuration of this name. */
export function variantOf(config: string): Variant {
  if (isOfPxelinux(config)) return 'pxe'
  return posix.basename(config).toLowerCase() === 'isolinux.cfg' ? 'iso' : 'sys'
}

/** Whether only SYSLINUX has a configuration of this name. */
export function isNamedForSyslinux(config: string): boolean {
  return /^(?:isolinux|syslinux|syslx64|syslia32)\.cfg$/i.test(posix.basename(config))
}
