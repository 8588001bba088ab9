/** A condition's result; it is unknown when it depends on the firmware, the screen or a key. */
export type Truth = boolean | 'unknown'

/** GRUB's error numbers, as far as a script may check `$?` for them; a false test gives 1. */
export const errors = { fileNotFound: '5', badFileName: '7', badArgument: '18' } as const

/** A variable's value; for an unknown one, its possible values. */
export type Value = string | Unsure

export interface Unsure {
  /** At least one, the likeliest first; '' for unset. */
  readonly candidates: readonly string[]
  /** Its dependency, to complete "depends on …". */
  readonly why: string
}

/** Further candidates are left out: the doubt itself is enough. */
const MAX_CANDIDATES = 8

export function isUnsure(value: Value | undefined): value is Unsure {
  return typeof value === 'object'
}

export function candidatesOf(value: Value | undefined): readonly string[] {
  return isUnsure(value) ? value.candidates : [value ?? '']
}

/** A variable with either of two values. */
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

/** The dependency of an unknown condition. */
export interface Doubt {
  /** To complete "depends on …". */
  readonly why: string
  readonly split: Split | null
  /** The likelier result; absent where neither is likelier: then true is assumed. */
  readonly likely?: boolean
}

/** For the one unknown variable of a condition: the values that make it true, and the others. */
export interface Split {
  readonly name: string
  readonly whenTrue: readonly string[]
  readonly whenFalse: readonly string[]
}
