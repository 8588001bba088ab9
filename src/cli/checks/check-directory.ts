import { readdirSync } from 'node:fs'
import { posix } from 'node:path'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'

/** The programs that must say 0 before a trial is confirmed. */
export const CHECK_DIRECTORY = '/etc/linux-kexec/check.d'

/** The programs that make the kernel of a confirmed trial the default of boot loaders that linux-kexec cannot change. */
export const CONFIRM_DIRECTORY = '/etc/linux-kexec/confirm.d'

/** What editors and package managers leave beside a file; hidden files are theirs too. */
const LEFT = /^\.|~$|\.dpkg-[a-z]+$|\.rpm(?:new|save|orig)$|\.(?:bak|swp|orig)$/

const EXECUTE = 0o111

export interface CheckDirectory {
  readonly path: string
  /** The names of its programs, in code-unit order. */
  readonly programs: readonly string[]
  /** Files that are not executable. */
  readonly skipped: readonly string[]
}

/** The programs of a directory; none where it does not exist. @throws KexecError 'io' when it cannot be read */
export function readCheckDirectory(system: System, path = CHECK_DIRECTORY): CheckDirectory {
  const names = namesIn(system, path).filter((name) => !LEFT.test(name))
  const files = names.map((name) => ({ name, stats: system.stat(posix.join(path, name)) }))
  const isProgram = ({ stats }: (typeof files)[number]) => stats?.isFile() === true && (stats.mode & EXECUTE) !== 0
  // A link without a target is a check that is missing, and missing checks must not be overlooked.
  const skipped = files.filter((file) => !isProgram(file) && file.stats?.isDirectory() !== true)
  return {
    path,
    programs: files.filter(isProgram).map(({ name }) => name),
    skipped: skipped.map(({ name }) => name),
  }
}

function namesIn(system: System, path: string): string[] {
  try {
    return readdirSync(posix.join(system.root, path)).sort()
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw new KexecError('a directory of programs for trials cannot be read', {
      reason: 'io',
      ...(code === undefined ? {} : { code }),
      ...(errno === undefined ? {} : { errno }),
      path,
      hint: `ls -ld ${path}`,
      cause: error,
    })
  }
}
