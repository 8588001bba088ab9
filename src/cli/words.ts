import { readFileSync } from 'node:fs'
import { KexecError } from '../errors.ts'
import { textOfBytes } from '../exact-text.ts'

/** Node's replacement for bytes that are not UTF-8. */
const LOST = '\ufffd'

/**
 * The words of this call, to the byte: names of files and command lines need not be UTF-8, and Node's argv is text.
 * @throws KexecError 'invalid-argument' when a word is not UTF-8 and /proc is not there to show its bytes
 */
export function callWords(): readonly string[] {
  const words = process.argv.slice(2)
  const lost = words.find((word) => word.includes(LOST))
  if (lost === undefined) return words
  try {
    // proc_pid_cmdline(5): each word ends in a NUL.
    const exact = textOfBytes(readFileSync('/proc/self/cmdline')).split('\0').slice(0, -1)
    return exact.slice(-words.length)
  } catch (error) {
    throw new KexecError(`an argument is not UTF-8: ${lost}`, {
      reason: 'invalid-argument',
      hint: 'Mount /proc, or give names and command lines in UTF-8.',
      refused: true,
      cause: error,
    })
  }
}
