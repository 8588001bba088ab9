import { errnoName as nameOf, errnoNumber as numberOf } from '../errors.ts'
import { checkArgument, type OptionKind, text } from '../options.ts'

const errnoKind: OptionKind = { what: 'a whole number', accepts: (value) => Number.isSafeInteger(value) }

/**
 * The symbolic name of an errno; its sign does not matter: `errnoName(-129)` is 'EKEYREJECTED'. 'E999' where no such
 * errno exists.
 * @throws KexecError 'invalid-argument'
 */
export function errnoName(errno: number): string {
  checkArgument('errnoName()', errno, errnoKind)
  return nameOf(errno)
}

/**
 * The positive number of a symbolic errno, or undefined: `errnoNumber('ENOKEY')` is 126.
 * @throws KexecError 'invalid-argument'
 */
export function errnoNumber(name: string): number | undefined {
  checkArgument('errnoNumber()', name, text)
  return numberOf(name)
}
