import type { Remark, Subject } from './remark.ts'

/** One choice of a plan, and the reason. */
export interface PlanDecision {
  readonly subject: Exclude<Subject, 'files' | 'memory' | 'segments' | 'machine'>
  readonly choice: string
  readonly reason: string
}

/** A choice, with the reasons for people and further remarks about it. */
export interface Choice<Value> {
  readonly value: Value
  readonly decisions: readonly PlanDecision[]
  readonly remarks: readonly Remark[]
}

/** A choice without reasons or remarks. */
export function silent<Value>(value: Value): Choice<Value> {
  return { value, decisions: [], remarks: [] }
}

/** Several choices as one; its value has the value of each. */
export function together<Values extends object>(
  choices: {
    readonly [Name in keyof Values]: Choice<Values[Name]>
  },
): Choice<Values> {
  const all = Object.entries<Choice<unknown>>(choices)
  return {
    value: Object.fromEntries(all.map(([name, { value }]) => [name, value])) as Values,
    decisions: all.flatMap(([, { decisions }]) => decisions),
    remarks: all.flatMap(([, { remarks }]) => remarks),
  }
}
