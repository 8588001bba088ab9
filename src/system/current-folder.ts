import { posix } from 'node:path'
import { KexecError } from '../errors.ts'

/** Where a path leads that a user gave who stands in a folder of the running machine. @throws KexecError 'not-found' when that folder was removed */
export function fromCurrentFolder(path: string): string {
  if (posix.isAbsolute(path)) return posix.normalize(path)
  try {
    return posix.resolve(path)
  } catch (cause) {
    throw currentFolderIsGone(cause)
  }
}

/** Whether an error is Node's for a current directory that was removed: it asks for it wherever a relative path is resolved. */
export function isCurrentFolderGone(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as NodeJS.ErrnoException
  return syscall === 'uv_cwd' && code === 'ENOENT'
}

/** What is to be said of it. */
export function currentFolderIsGone(cause: unknown): KexecError {
  return new KexecError('the current directory does not exist any more', {
    reason: 'not-found',
    code: 'ENOENT',
    hint: 'Go to one that exists (cd /), or give absolute paths.',
    refused: true,
    cause,
  })
}
