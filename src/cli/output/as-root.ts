import { posix } from 'node:path'
import type { KexecError } from '../../errors.ts'

/** A word in a form that a shell reads literally. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-][\w@%+=:,./#-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/**
 * The command to type where only root may: this exact command line, behind sudo. Undefined where the hint of the error
 * is better: for root, who would gain nothing, and for other reasons.
 * @param words as in process.argv: Node, the command's file, its arguments
 */
export function asRoot(error: KexecError, words: readonly string[], uid: number | undefined): string | undefined {
  if (uid === undefined || uid === 0) return undefined
  if (error.reason !== 'no-capability' && error.reason !== 'not-readable') return undefined
  const [, file = '', ...args] = words
  const name = posix.basename(file) === 'kexec' ? 'kexec' : 'linux-kexec'
  return ['sudo', name, ...args].map(quoted).join(' ')
}
