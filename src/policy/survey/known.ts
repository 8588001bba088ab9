/** A fact that may be unknown: null. */
export type Known = boolean | null

/** True when all are, false when one is not, else unknown. */
export function all(...facts: readonly Known[]): Known {
  if (facts.includes(false)) return false
  return facts.includes(null) ? null : true
}

/** True when one is, false when none is, else unknown. */
export function any(...facts: readonly Known[]): Known {
  if (facts.includes(true)) return true
  return facts.includes(null) ? null : false
}

export function not(fact: Known): Known {
  return fact === null ? null : !fact
}
