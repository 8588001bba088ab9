import type { KexecError } from '../../errors.ts'
import type { UncheckedCode, WarningCode } from './codes.ts'

/**
 * The subjects of a plan, in the order in which they are shown: the parts that are loaded, how they are loaded, and the
 * machine's response.
 */
export const subjects = [
  'kernel',
  'initrd',
  'overlay',
  'bootconfig',
  'command line',
  'parameter',
  'engine',
  'kind',
  'purgatory',
  'device tree',
  'fast',
  'trial',
  'files',
  'memory',
  'segments',
  'machine',
  'verdict',
] as const

export type Subject = (typeof subjects)[number]

/** Possible trouble, although the kernel would take it. */
export interface PlanWarning {
  readonly code: WarningCode
  readonly text: string
}

/** A fact that could not be checked, and why. Nothing is guessed. */
export interface UncheckedFact {
  readonly code: UncheckedCode
  readonly text: string
}

/** The remarks about a subject, besides the choice itself. */
export type Remark = { readonly subject: Subject } & (
  | { readonly warning: PlanWarning }
  | { readonly refusal: KexecError }
  | { readonly unchecked: UncheckedFact }
)

/** Makes remarks on one subject. */
export function remarksOn(subject: Subject) {
  return {
    warning: (code: WarningCode, text: string): Remark => ({ subject, warning: { code, text } }),
    refusal: (refusal: KexecError): Remark => ({ subject, refusal }),
    unchecked: (code: UncheckedCode, text: string): Remark => ({ subject, unchecked: { code, text } }),
  }
}

/** The refusals among remarks. */
export function refusalsIn(remarks: readonly Remark[]): KexecError[] {
  return remarks.flatMap((remark) => ('refusal' in remark ? [remark.refusal] : []))
}

/** Remarks in the order of their subjects; those of one subject in the order in which they came. */
export function bySubject<Item extends { readonly subject: Subject }>(items: readonly Item[]): Item[] {
  return subjects.flatMap((subject) => items.filter((item) => item.subject === subject))
}
