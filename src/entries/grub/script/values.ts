/** A condition's result: what depends on the firmware, the screen or a key is not known. */
export type Truth = boolean | 'unknown'

/** GRUB's error numbers, as far as a script may ask `$?` for them; what a test finds false is 1. */
export const errors = { fileNotFound: '5', badFileName: '7', badArgument: '18' } as const

/** A variable's value; of one that is not known, what it may be. */
export type Value = string | Unsure

export interface Unsure {
  /** At least one, the likeliest first; '' for unset. */
  readonly candidates: readonly string[]
  /** What it depends on, to complete "depends on …". */
  readonly why: string
}

/** Further candidates are left out: that a value is not known is what counts. */
const MAX_CANDIDATES = 8

export function isUnsure(value: Value | undefined): value is Unsure {
  return typeof value === 'object'
}

export function candidatesOf(value: Value | undefined): readonly string[] {
  return isUnsure(value) ? value.candidates : [value ?? '']
}

/** What a variable is when it is one or the other. */
export function either(one: Value | undefined, other: Value | undefined, why: string): Value | undefined {
  if (one === other) return one
  const candidates = [...new Set([...candidatesOf(one), ...candidatesOf(other)])].slice(0, MAX_CANDIDATES)
  const [first] = candidates
  if (candidates.length === 1 && first !== undefined && !isUnsure(one) && !isUnsure(other)) return first
  return { candidates, why: isUnsure(one) ? one.why : isUnsure(other) ? other.why : why }
}

export function not(truth: Truth): Truth {
  return truth === 'unknown' ? truth : !truth
}

/** The one result that all have, or 'unknown'. */
export function agreed(results: readonly Truth[]): Truth {
  const [first = false] = results
  return results.every((result) => result === first) ? first : 'unknown'
}

/** On what a condition depends that is not known. */
export interface Doubt {
  /** To complete "depends on …". */
  readonly why: string
  readonly split: Split | null
  /** Which result is the likelier; left out where nothing speaks for either: then it is taken for true. */
  readonly likely?: boolean
}

/** Of the one unknown variable that a condition depends on: the values that make it true, and those that do not. */
export interface Split {
  readonly name: string
  readonly whenTrue: readonly string[]
  readonly whenFalse: readonly string[]
}
