import { accessSync, constants, readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { KexecError } from '../../errors.ts'
import type { MatrixDefinition } from '../model/definition.ts'
import { checkDefinition, invalid } from './check.ts'

/** Reads the file of a matrix. @throws KexecError 'not-found', 'not-readable', 'io' or 'invalid-argument' */
export function readDefinition(file: string): MatrixDefinition {
  const called = basename(file)
  let given: unknown
  try {
    given = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (cause instanceof SyntaxError) throw invalid(`${called} is not JSON: ${cause.message}`)
    throw unreadable(file, cause as NodeJS.ErrnoException)
  }
  return { name: basename(file, extname(file)), ...checkDefinition(called, given) }
}

/** A file that the matrix names, or its own. */
export function unreadable(path: string, cause: NodeJS.ErrnoException): KexecError {
  const { code } = cause
  const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'not-found' : code === 'EACCES' ? 'not-readable' : 'io'
  const summary = reason === 'not-found' ? 'a file of the matrix is not there' : 'a file of the matrix cannot be read'
  return new KexecError(summary, { reason, path, refused: true, cause, ...(code === undefined ? {} : { code }) })
}

/** The path of a file or directory that is to be read later. @throws KexecError as above */
export function readable(path: string): string {
  try {
    accessSync(path, constants.R_OK)
    return path
  } catch (cause) {
    throw unreadable(path, cause as NodeJS.ErrnoException)
  }
}
