import { Environment } from './environment.ts'
import type { Interpreter, Jump } from './interpreter.ts'
import type { For, If, Statement, While } from './syntax.ts'
import { agreed, not, type Truth } from './values.ts'

/** Rounds of a loop; one that does not end is left after them, and told. */
const MAX_ROUNDS = 10_000

/** What a condition came to, and on what that depends when it is not known. */
interface Asked {
  readonly truth: Truth
  readonly why: string
  readonly split: Split | null
}

/** Of the one unknown variable that a condition depends on: the values that make it true, and those that do not. */
export interface Split {
  readonly name: string
  readonly whenTrue: readonly string[]
  readonly whenFalse: readonly string[]
}

/** Runs an `if`; where a condition is not known, every branch that may be taken. */
export function runIf(run: Interpreter, statement: If, index = 0): void {
  const branch = statement.cases[index]
  if (branch === undefined) {
    run.status = true
    if (statement.otherwise !== null) run.run(statement.otherwise)
    return
  }
  const asked = ask(run, branch.condition)
  if (run.jump !== null) return
  if (asked.truth === true) run.run(branch.body)
  else if (asked.truth === false) runIf(run, statement, index + 1)
  else
    fork(
      run,
      asked,
      () => run.run(branch.body),
      () => runIf(run, statement, index + 1),
    )
}

/** Runs a condition, and tells on what its result depends when it is not known. */
function ask(run: Interpreter, condition: readonly Statement[]): Asked {
  run.asked = null
  run.run(condition)
  const { why, split } = (run.asked as Interpreter['asked']) ?? { why: 'the machine', split: null }
  return { truth: run.status, why, split }
}

/** Runs both branches of a condition that is not known, each for itself, and joins what they leave. */
function fork(run: Interpreter, { why, split }: Asked, then: () => void, otherwise: () => void): void {
  const before = { environment: run.context.environment, boot: run.boot, opened: run.opened }
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
  })
  const [one, other] = branches as [(typeof branches)[number], (typeof branches)[number]]
  before.environment.join(one.environment, other.environment, why)
  run.boot = one.boot.join(other.boot, why)
  run.status = agreed([one.status, other.status])
  if (run.opened !== before.opened && (one.jump === null || other.jump === null))
    run.problem(`${run.config}: which menu is shown depends on ${why}; that of the other file is listed.`)
  joinJumps(run, one.jump, other.jump, why)
}

function narrow(run: Interpreter, name: string, candidates: readonly string[], why: string): void {
  const [first] = candidates
  if (candidates.length === 1) run.set(name, first)
  else run.set(name, { candidates, why })
}

/** One branch leaves and the other does not: a loop is left, lest it never end; a script is read on, with a word of doubt. */
function joinJumps(run: Interpreter, one: Jump | null, other: Jump | null, why: string): void {
  if (one !== null && other !== null) run.jump = one
  else {
    const jump = one ?? other
    if (jump?.kind === 'break' || jump?.kind === 'continue') run.jump = jump
    else if (jump !== null) run.conditions.push(conditionOf(why, one === null, null))
  }
}

/** Runs a `for`; of words that are not known, the likeliest. */
export function runFor(run: Interpreter, { variable, words, body }: For): void {
  const [values = []] = run.expand(words).alternatives
  run.loops++
  for (const value of values) {
    run.set(variable, value)
    run.run(body)
    if (leavesLoop(run)) break
  }
  run.loops--
}

/** Runs a `while` or `until`; one whose condition is not known, for one round that may be or not. */
export function runWhile(run: Interpreter, statement: While): void {
  run.loops++
  rounds(run, statement)
  run.loops--
}

function rounds(run: Interpreter, { condition, isUntil, body, line }: While): void {
  for (let round = 0; ; round++) {
    if (round >= MAX_ROUNDS) {
      run.problem(`${run.config}:${line}: a loop does not end; it was left after ${MAX_ROUNDS} rounds.`)
      return
    }
    const asked = ask(run, condition)
    if (run.jump !== null) return
    const truth = isUntil ? not(asked.truth) : asked.truth
    if (truth === false) break
    if (truth === 'unknown') {
      fork(
        run,
        asked,
        () => run.run(body),
        () => {},
      )
      leavesLoop(run)
      return
    }
    run.run(body)
    if (leavesLoop(run)) return
  }
  // What ended the loop is what it returns: of a `while` the failure.
  run.status = isUntil
}

/** Takes a jump of one level as done. @returns whether the loop ends */
function leavesLoop(run: Interpreter): boolean {
  const { jump } = run
  if (jump === null) return false
  if (jump.kind === 'return' || jump.kind === 'exit') return true
  if (jump.levels > 1) {
    run.jump = { ...jump, levels: jump.levels - 1 }
    return true
  }
  run.jump = null
  return jump.kind === 'break'
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
