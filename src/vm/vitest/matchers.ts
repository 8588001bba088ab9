import type { Boot } from '../machine/agent.ts'
import { type Deadline, Vm } from '../machine/machine.ts'
import { headlineOf, type Outcome, withConsole } from '../machine/outcome.ts'

export type OutcomeKind = Outcome['kind']

/** Some fields of an outcome of this kind, or matchers in their place, such as `expect.stringContaining()`. */
export type OutcomeFields<Kind extends OutcomeKind> = {
  readonly [Name in keyof Omit<Extract<Outcome, { kind: Kind }>, 'kind'>]?: unknown
}

/** What these matchers need of vitest's `this`; its type has not been exported by all versions. */
interface Matching {
  readonly isNot: boolean
  equals(one: unknown, other: unknown, testers: Tester[]): boolean
  readonly utils: { readonly iterableEquality: Tester; readonly subsetEquality: Tester }
}

// biome-ignore lint/suspicious/noExplicitAny: vitest's own type, which differs between its versions
type Tester = any

interface Verdict {
  readonly pass: boolean
  readonly actual: unknown
  readonly expected: unknown
  message(): string
}

export async function toHaveKexecedInto(
  this: Matching,
  received: unknown,
  release: string,
  options?: Deadline,
): Promise<Verdict> {
  const boot = received instanceof Vm ? await received.booted(options) : received
  if (!isBoot(boot)) throw new TypeError('toHaveKexecedInto() takes a Vm, or a Boot of booted()')
  const { startedBy } = boot
  const came = `${boot.release} came up, started by ${startedBy === 'kexec' ? 'a kexec' : 'the firmware'}`
  const message = `expected ${this.isNot ? 'no' : 'a'} kexec into ${release}, but ${came}`
  return {
    pass: startedBy === 'kexec' && boot.release === release,
    actual: { release: boot.release, startedBy },
    expected: { release, startedBy: 'kexec' },
    message: () => withConsole(message, received instanceof Vm ? received.consoleTail() : []),
  }
}

export async function toHaveOutcome<Kind extends OutcomeKind>(
  this: Matching,
  received: unknown,
  kind: Kind,
  fields: OutcomeFields<Kind> = {},
  options?: Deadline,
): Promise<Verdict> {
  const outcome = received instanceof Vm ? await received.ended(options) : received
  if (!isOutcome(outcome)) throw new TypeError('toHaveOutcome() takes a Vm, or the Outcome of one')
  const { iterableEquality, subsetEquality } = this.utils
  const tail = outcome.kind === 'passed' ? [] : outcome.consoleTail
  const message = `expected the outcome ${this.isNot ? 'not to be' : 'to be'} ${kind}, but it is ${outcome.kind}: ${headlineOf(outcome)}`
  return {
    pass: this.equals(outcome, { ...fields, kind }, [iterableEquality, subsetEquality]),
    actual: withoutConsole(outcome),
    expected: { ...fields, kind },
    message: () => withConsole(message, tail),
  }
}

/** The console is in the message; in vitest's comparison it would hide the rest. */
function withoutConsole(outcome: Outcome): object {
  return outcome.kind === 'passed' ? outcome : { ...outcome, consoleTail: undefined }
}

function isBoot(value: unknown): value is Boot {
  return typeof value === 'object' && value !== null && 'release' in value && 'startedBy' in value
}

function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'object' && value !== null && 'kind' in value
}
