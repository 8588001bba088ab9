import { posix } from 'node:path'
import { KexecError } from '../errors.ts'

/**
 * The target of a path from a user whose working directory is on the running machine. @throws KexecError 'not-found'
 * when that directory was removed
 */
export function fromCurrentDirectory(path: string): string {
  if (posix.isAbsolute(path)) return posix.normalize(path)
  try {
    return posix.resolve(path)
  } catch (cause) {
    throw currentDirectoryIsGone(cause)
  }
}

/** Whether an error is Node's for a removed current directory: Node needs it to resolve any relative path. */
export function isCurrentDirectoryGone(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as NodeJS.ErrnoException
  return syscall === 'uv_cwd' && code === 'ENOENT'
}

/** The message for it. */
export function currentDirectoryIsGone(cause: unknown): KexecError {
  return new KexecError('the current directory does not exist any more', {
    reason: 'not-found',
    code: 'ENOENT',
    hint: 'Go to one that exists (cd /), or give absolute paths.',
    refused: true,
    cause,
  })
}
