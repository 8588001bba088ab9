import { KexecError } from './errors.ts'
import { nearest } from './text.ts'

/** What an option takes. */
export interface OptionKind {
  /** To complete "takes …". */
  readonly what: string
  accepts(value: unknown): boolean
  /** The values, where they are a few words. */
  readonly words?: readonly string[]
}

/** Every option of a call with its kind: the compiler finds one that is missing here, or not there. */
export type OptionKinds<Options extends object> = { readonly [Name in keyof Required<Options>]: OptionKind }

const isText = (value: unknown): value is string => typeof value === 'string'

export const text: OptionKind = { what: 'a string', accepts: isText }

/** The kernel's paths end at a NUL. */
export const path: OptionKind = {
  what: 'a path, a string without NUL',
  accepts: (value) => isText(value) && value !== '' && !value.includes('\0'),
}

export const flag: OptionKind = { what: 'true or false', accepts: (value) => typeof value === 'boolean' }

/** An object of another function, such as a guest; its members are not looked at here. */
export const object: OptionKind = { what: 'an object', accepts: (value) => isObject(value) && !Array.isArray(value) }

export const positiveNumber: OptionKind = {
  what: 'a whole number of at least 1',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
}

export const callback: OptionKind = { what: 'a function', accepts: (value) => typeof value === 'function' }

export const wholeNumber: OptionKind = {
  what: 'a whole number of at least 0',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
}

export const milliseconds: OptionKind = {
  what: 'a number of milliseconds of at least 0',
  accepts: (value) => Number.isFinite(value) && (value as number) >= 0,
}

export const date: OptionKind = {
  what: 'a valid Date',
  accepts: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
}

/** By its members: a signal may be of another realm or runtime. */
export const abortSignal: OptionKind = {
  what: 'an AbortSignal',
  accepts: (value) => isObject(value) && typeof value['aborted'] === 'boolean' && 'addEventListener' in value,
}

export const bytes: OptionKind = {
  what: 'bytes, a Uint8Array',
  accepts: (value) => value instanceof Uint8Array,
}

export function oneOf(...words: readonly string[]): OptionKind {
  const quoted = words.map((word) => `'${word}'`)
  const what = [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter((part) => part !== '').join(' or ')
  return { what, words, accepts: (value) => isText(value) && words.includes(value) }
}

export function listOf(kind: OptionKind): OptionKind {
  return { what: `an array, each of its elements ${kind.what}`, accepts: (value) => isListOf(kind, value) }
}

export function oneOrMore(kind: OptionKind): OptionKind {
  return {
    what: `${kind.what}, or an array of these`,
    accepts: (value) => kind.accepts(value) || isListOf(kind, value),
  }
}

function isListOf(kind: OptionKind, value: unknown): boolean {
  return Array.isArray(value) && value.every((element) => kind.accepts(element))
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Names that other programs, the command and earlier versions give to an option. */
const otherNames = new Map([
  ['cmdline', 'commandLine'],
  ['reuseCmdline', 'reuseCommandLine'],
  ['dtb', 'deviceTree'],
  ['devicetree', 'deviceTree'],
  ['system', 'root'],
])

/**
 * The options of a call, each of its kind. They are read once: later changes of the given object have no effect.
 * Undefined counts as not given.
 * @param call as a reader knows it: 'plan()'
 * @throws KexecError 'invalid-argument' for an option that the call does not have, or a value that it does not take
 */
export function checkOptions<Options extends object>(
  call: string,
  given: Options | undefined,
  kinds: OptionKinds<Options>,
): Options {
  if (given === undefined) return {} as Options
  if (!isObject(given) || Array.isArray(given))
    throw refusal(`${call} takes its options in an object, not ${shown(given)}`)
  const checked: Record<string, unknown> = {}
  const names = Object.keys(kinds)
  // Those that it inherits count, too.
  for (const name in given) {
    if (!names.includes(name)) throw unknownOption(call, name, names)
    const value = given[name]
    if (value === undefined) continue
    const kind = kinds[name as keyof Required<Options>]
    if (!kind.accepts(value)) throw wrongValue(`the option '${name}' of ${call}`, kind, value)
    checked[name] = value
  }
  return checked as Options
}

/**
 * @param what the argument, as a reader knows it: 'the path of inspectFile()'
 * @throws KexecError 'invalid-argument'
 */
export function checkArgument(what: string, value: unknown, kind: OptionKind): void {
  if (!kind.accepts(value)) throw wrongValue(what, kind, value)
}

function unknownOption(call: string, name: string, names: readonly string[]): KexecError {
  const other = otherNames.get(name)
  const meant = other !== undefined && names.includes(other) ? other : nearest(name, names)
  const all = names.length === 0 ? 'It has none.' : `Its options are ${names.join(', ')}.`
  return refusal(`${call} has no option '${name}'`, meant === undefined ? all : `Did you mean '${meant}'? ${all}`)
}

function wrongValue(what: string, kind: OptionKind, value: unknown): KexecError {
  const meant = isText(value) && kind.words !== undefined ? nearest(value, kind.words) : undefined
  return refusal(`${what} takes ${kind.what}, not ${shown(value)}`, meant && `Did you mean '${meant}'?`)
}

/** The longest value that is shown whole, in characters. */
const SHOWN = 60

function shown(value: unknown): string {
  if (isText(value)) return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value)
  if (Array.isArray(value)) return 'this array'
  if (typeof value === 'function') return 'a function'
  if (!isObject(value)) return String(value)
  const name = value.constructor?.name ?? 'Object'
  return name === 'Object' ? 'this object' : `this ${name}`
}

function refusal(summary: string, hint?: string): KexecError {
  return new KexecError(summary, { reason: 'invalid-argument', ...(hint === undefined ? {} : { hint }), refused: true })
}
