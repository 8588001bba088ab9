import { Environment } from '../script/environment.ts'
import type { For, If, Statement, While } from '../script/syntax.ts'
import { agreed, type Doubt, not, type Split, type Truth, type Value } from '../script/values.ts'
import type { BootCommands } from './boot-commands.ts'
import type { Interpreter } from './interpreter.ts'
import { apart, arrive, compareJumps, type Jump, lessOne, type Suspended } from './jumps.ts'

/** Rounds of a loop. A loop that goes on is left after them, with a remark. */
const MAX_ROUNDS = 10_000

/** The result of a condition, and its dependency when unknown. */
interface Asked {
  readonly truth: Truth
  readonly doubt: Doubt
}

/** Runs an `if`; where a condition is unknown, every branch that may be taken. */
export function runIf(run: Interpreter, statement: If, from = 0): void {
  for (let index = from; index < statement.cases.length; index++) {
    const branch = statement.cases[index] as If['cases'][number]
    const asked = ask(run, branch.condition)
    if (run.jump !== null || asked.truth === true) {
      if (run.jump === null) run.run(branch.body)
      return
    }
    if (asked.truth === false) continue
    fork(
      run,
      asked.doubt,
      () => run.run(branch.body),
      () => runIf(run, statement, index + 1),
    )
    return
  }
  run.status = true
  if (statement.otherwise !== null) run.run(statement.otherwise)
}

/** Runs a condition, and returns its dependency when the result is unknown. */
function ask(run: Interpreter, condition: readonly Statement[]): Asked {
  run.asked = null
  run.run(condition)
  return { truth: run.status, doubt: (run.asked as Interpreter['asked']) ?? { why: 'the machine', split: null } }
}

/** Runs both branches of an unknown condition, each for itself, and joins their results. */
function fork(run: Interpreter, doubt: Doubt, then: () => void, otherwise: () => void): void {
  const { why, split } = doubt
  const before = { environment: run.context.environment, boot: run.boot, opened: run.opened }
  const begun = run.suspended.length
  const branches = [then, otherwise].map((branch, index) => {
    const { context } = run
    context.environment = new Environment(before.environment)
    run.boot = before.boot.copy()
    const candidates = index === 0 ? split?.whenTrue : split?.whenFalse
    if (split !== null && candidates !== undefined) narrow(run, split.name, candidates, why)
    const depth = run.conditions.push(conditionOf(why, index === 0, split))
    branch()
    run.conditions.length = depth - 1
    const end = { environment: context.environment, boot: run.boot, jump: run.jump, status: run.status }
    context.environment = before.environment
    run.jump = null
    return end
  }) as [End, End]
  // A branch that was left behind may be the only one: the following entries are shown on a condition.
  for (const { condition } of run.suspended.slice(begun)) run.onCondition(condition)
  const [one, other] = branches
  const isThenLikely = doubt.likely !== false
  if (run.opened !== before.opened && (one.jump === null || other.jump === null))
    run.problem('uncertain', `${run.config}: which menu is shown depends on ${why}; that of the other file is listed.`)
  const order = compareJumps(one.jump, other.jump)
  if (order !== 0) {
    // The branch that leads further away waits there; the other continues.
    const isOne = order > 0
    const [far, near] = isOne ? [one, other] : [other, one]
    const condition = conditionOf(why, !isOne, split)
    suspend(run, far, { why, condition, isLikelier: isThenLikely === isOne })
    before.environment.take(near.environment)
    run.boot = near.boot
    run.status = near.status
    run.jump = near.jump
    if (near.jump === null) run.onCondition(condition)
    return
  }
  const [likely, lesser] = isThenLikely ? [one, other] : [other, one]
  before.environment.join(likely.environment, lesser.environment, why)
  run.boot = likely.boot.join(lesser.boot, why)
  run.status = agreed([one.status, other.status])
  run.jump = one.jump
}

/** The result of a branch. */
interface End {
  readonly environment: Environment
  readonly boot: BootCommands
  readonly jump: Jump | null
  readonly status: Truth
}

/** Execution paths kept apart at a time. Further ones are not followed: by then it is known that there are several. */
const MAX_SUSPENDED = 32

function suspend(run: Interpreter, end: End, rest: Pick<Suspended, 'why' | 'condition' | 'isLikelier'>): void {
  if (end.jump === null || run.suspended.length >= MAX_SUSPENDED) return
  const environment = end.environment.snapshot()
  run.spend(environment.size)
  run.suspended.push({ ...rest, jump: end.jump, boot: end.boot, environment })
}

function narrow(run: Interpreter, name: string, candidates: readonly string[], why: string): void {
  const [first] = candidates
  if (candidates.length === 1) run.set(name, first)
  else run.set(name, { candidates, why })
}

/** Runs a `for`; an unknown word takes each of its possible values. */
export function runFor(run: Interpreter, { variable, words, body }: For): void {
  const { alternatives, why } = run.expand(words)
  const rounds = Math.max(...alternatives.map(({ length }) => length))
  loop(run, (before) => {
    for (let round = 0; round < rounds; round++) {
      run.set(
        variable,
        oneOf(
          alternatives.flatMap((values) => values[round] ?? []),
          why,
        ),
      )
      if (why !== null && alternatives.some(({ length }) => length <= round))
        run.onCondition(conditionOf(why, true, null))
      run.run(body)
      if (leavesLoop(run, before)) break
    }
  })
}

function oneOf(values: readonly string[], why: string | null): Value {
  const candidates = [...new Set(values)]
  return why === null || candidates.length < 2 ? (candidates[0] ?? '') : { candidates, why }
}

/** Runs a `while` or `until`; with an unknown condition, one round that may or may not run. */
export function runWhile(run: Interpreter, statement: While): void {
  loop(run, (before) => rounds(run, statement, before))
}

/** Runs the rounds of a loop. @param rounds gets the conditions that the loop itself is under. */
function loop(run: Interpreter, rounds: (before: readonly string[]) => void): void {
  const before = [...run.conditions]
  apart(run, () => {
    run.loops++
    rounds(before)
    run.loops--
    arrive(run, (jump) => (jump.kind === 'break' || jump.kind === 'continue' ? (lessOne(jump) ?? true) : false))
    conditionsAfter(run, before)
  })
}

function rounds(run: Interpreter, { condition, isUntil, body, line }: While, before: readonly string[]): void {
  for (let round = 0; ; round++) {
    if (round >= MAX_ROUNDS) {
      run.problem('left-out', `${run.config}:${line}: a loop does not end; it was left after ${MAX_ROUNDS} rounds.`)
      return
    }
    const asked = ask(run, condition)
    if (run.jump !== null) return
    const truth = isUntil ? not(asked.truth) : asked.truth
    if (truth === false) break
    if (truth === 'unknown') {
      const { likely } = asked.doubt
      const doubt = isUntil && likely !== undefined ? { ...asked.doubt, likely: !likely } : asked.doubt
      fork(
        run,
        doubt,
        () => run.run(body),
        () => {},
      )
      leavesLoop(run, before)
      return
    }
    run.run(body)
    if (leavesLoop(run, before)) return
  }
  // A loop returns the result that ended it: for a `while` the failure.
  run.status = isUntil
}

/** The end of a round, where a jump of one level ends. @returns whether the loop ends */
function leavesLoop(run: Interpreter, before: readonly string[]): boolean {
  const { jump } = run
  if (jump?.kind === 'continue' && jump.levels === 1) run.jump = null
  if (run.jump === null) {
    arrive(run, ({ kind, levels }) => kind === 'continue' && levels === 1)
    conditionsAfter(run, before)
    return false
  }
  if (jump?.kind === 'return' || jump?.kind === 'exit') return true
  run.jump = lessOne(run.jump)
  return true
}

/** Entries that depend on waiting paths stay conditional. */
function conditionsAfter(run: Interpreter, before: readonly string[]): void {
  run.conditions = [...before]
  for (const { condition } of run.suspended) run.onCondition(condition)
}

/** To complete "Shown only if …". */
function conditionOf(why: string, isTrue: boolean, split: Split | null): string {
  const values = isTrue ? split?.whenTrue : split?.whenFalse
  if (split !== null && values !== undefined && values.length > 0) {
    const alternatives = values.map((value) => (value === '' ? 'unset' : `'${value}'`)).join(' or ')
    return `$${split.name} is ${alternatives}, which depends on ${why}`
  }
  return isTrue ? `a condition holds that depends on ${why}` : `a condition does not hold that depends on ${why}`
}
