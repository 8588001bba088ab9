import type { KexecError } from '../../errors.ts'
import type { UncheckedCode, WarningCode } from './codes.ts'

/** What a plan speaks of, in the order in which it is shown: from what is loaded over how to what the machine says to it. */
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
  'files',
  'memory',
  'segments',
  'machine',
  'verdict',
] as const

export type Subject = (typeof subjects)[number]

/** What may go wrong although the kernel would take it. */
export interface Warning {
  readonly code: WarningCode
  readonly text: string
}

/** What could not be checked, and why: nothing is guessed. */
export interface Unchecked {
  readonly code: UncheckedCode
  readonly text: string
}

/** What is to be said about a subject besides what was chosen. */
export type Remark = { readonly subject: Subject } & (
  | { readonly warning: Warning }
  | { readonly refusal: KexecError }
  | { readonly unchecked: Unchecked }
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

/** What belongs to the subjects, in their order; of one subject in the order in which it came. */
export function bySubject<Item extends { readonly subject: Subject }>(items: readonly Item[]): Item[] {
  return subjects.flatMap((subject) => items.filter((item) => item.subject === subject))
}
