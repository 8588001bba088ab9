import { addProblem, BudgetSpent } from '../../model/budget.ts'
import type { BootProblem, BootProblemCode } from '../../model/problem.ts'
import type { Survey } from '../../survey/survey.ts'
import type { Environment } from '../script/environment.ts'
import { parseEnvironmentBlock } from '../script/environment-block.ts'
import { parseScript } from '../script/parser.ts'
import type { Command, Statement } from '../script/syntax.ts'
import { candidatesOf, type Doubt, type Truth, type Value } from '../script/values.ts'
import { type Expansion, expand } from '../script/words.ts'
import { BootCommands } from './boot-commands.ts'
import { Devices, isPath } from './devices.ts'
import { apart, arrive, type Jump, type Suspended } from './jumps.ts'
import type { BlsFile, MenuContext, MenuItem } from './menu.ts'

/** Limits of a script. Reaching one gets a remark, and the results so far stay. */
const limits = {
  steps: 1_000_000,
  calls: 60,
  items: 10_000,
  problems: 100,
  files: 1000,
  /** Conditions of an entry that are kept; more would not make it clearer. */
  conditions: 20,
} as const

/** For a name whose place needs no remark. */
const nowhere = { unknown: null, problem: null }

/** Steps that a mistake costs: an exception is slow. */
const MISTAKE = 10

/** Thrown at a limit: the script is not run any further. */
class LimitReached extends Error {}

/** Runs a statement. Control flow and commands know the interpreter, which does not know them. */
export type RunStatement = (interpreter: Interpreter, statement: Statement) => void

/** Runs GRUB scripts without their effects: the result is a menu, and the starts of its entries. */
export class Interpreter {
  readonly devices: Devices
  readonly survey: Survey
  readonly problems: BootProblem[] = []
  context: MenuContext
  boot = new BootCommands()
  /** The file being read. */
  config: string
  /** `$1` and so on; null outside of functions and menu entries, where `return` and similar commands do nothing. */
  positional: readonly string[] | null = null
  /** Loops around the current commands, which `break` and `continue` can leave. A function starts at none. */
  loops = 0
  jump: Jump | null = null
  status: Truth = true
  /** The value of `$?` after the last command failed. */
  failure = '1'
  /** The dependency of `$?` when the last command's result is unknown. */
  doubt = 'the machine'
  /** Whether `*` and `?` in words stand for file names: the module regexp enables it. */
  hasWildcards = false
  /** Modules that the script requested. */
  readonly modules = new Set<string>()
  /** Type 1 files that Red Hat's blscfg has read. */
  blsFiles: readonly BlsFile[] = []
  /** Whether this is Red Hat's GRUB, by a command that no other has: it tries ids before numbers. */
  isRedHat = false
  /** Another menu that configfile opened; it replaces this one. */
  opened: MenuContext | null = null
  /** The dependency of the last command with an unknown result. */
  asked: Doubt | null = null
  /** Execution paths that may have been taken: they are joined where their jumps lead. */
  suspended: Suspended[] = []
  /** Variables as loaded from an environment block, and the block's path. */
  readonly loaded = new Map<string, { readonly value: string; readonly path: string }>()
  private readonly blocks = new Map<string, Map<string, string> | undefined>()
  /** Why present definitions may not exist. */
  conditions: string[] = []
  /** Unknown commands, each reported once. */
  readonly strangers = new Set<string>()
  private readonly runStatement: RunStatement
  private steps = 0
  private files = 0
  private depth = 0

  /**
   * @param isStrict whether an unknown partition must not be taken for the configuration's own.
   */
  constructor(survey: Survey, config: string, environment: Environment, runStatement: RunStatement, isStrict = false) {
    this.survey = survey
    this.runStatement = runStatement
    this.config = config
    this.devices = new Devices(survey, config, isStrict)
    this.context = { environment, functions: new Map(), items: [] }
  }

  /** The result of a command that fails with this error number. */
  fails(error: string): false {
    this.failure = error
    return false
  }

  /** Runs a configuration file in a context; false when it cannot be read. */
  runFile(path: string): boolean {
    const text = this.survey.readText(path)
    if (text === undefined) return false
    if (++this.files > limits.files)
      throw new LimitReached(`${path}: so many files are read that the rest is left out; one may read itself.`)
    const before = this.config
    this.config = path
    try {
      this.within(() => this.returning(() => this.runText(text)))
    } finally {
      this.config = before
    }
    return true
  }

  /** Runs the scope that `return` leaves: a file or a function. */
  private returning(act: () => void): void {
    const before = [...this.conditions]
    apart(this, () => {
      act()
      if (this.jump?.kind === 'return') this.jump = null
      const waited = this.suspended.length
      arrive(this, ({ kind }) => kind === 'return')
      if (this.suspended.length === waited) return
      this.conditions = before
      for (const { condition } of this.suspended) this.onCondition(condition)
    })
  }

  /** Joins all execution paths at the end of a script. */
  finish(): void {
    this.jump = null
    arrive(this, () => true)
  }

  /** Counts work that belongs to no command. */
  spend(steps: number): void {
    this.steps += steps
  }

  /** Later definitions may not exist. */
  onCondition(condition: string): void {
    if (this.conditions.length < limits.conditions && !this.conditions.includes(condition))
      this.conditions.push(condition)
  }

  /** Runs a script, line by line: a line with a mistake is reported and skipped. */
  runText(text: string): void {
    const { budget } = this.survey
    for (const chunk of parseScript(text, (amount) => budget.take('statements', amount))) {
      if (chunk.problem !== undefined) {
        budget.spend('steps', MISTAKE)
        const { line, message } = chunk.problem
        this.problem('configuration-mistake', `${this.config}:${line}: ${message}; GRUB ignores this.`)
      } else this.run(chunk.statements)
      if (this.jump !== null) return
    }
  }

  /** Runs until the end or a limit. @returns whether it reached the end */
  bounded(run: () => void): boolean {
    try {
      run()
      return true
    } catch (error) {
      if (error instanceof LimitReached) this.problem('left-out', error.message)
      else if (error instanceof RangeError)
        this.problem('left-out', `${this.config}: its blocks are nested too deeply.`)
      else if (error instanceof BudgetSpent)
        this.problem('left-out', `${this.config}: it does not come to an end; what it did so far counts.`)
      else throw error
      this.depth = 0
      this.jump = null
      return false
    }
  }

  run(statements: readonly Statement[]): void {
    for (const statement of statements) {
      this.statement(statement)
      if (this.jump !== null) return
    }
  }

  problem(code: BootProblemCode, text: string): void {
    const isKnown = this.problems.some((known) => known.text === text)
    if (this.problems.length < limits.problems && !isKnown) addProblem(this.problems, code, text)
  }

  add(item: MenuItem): void {
    if (this.context.items.length >= limits.items)
      throw new LimitReached(`${this.config}: a menu has more than ${limits.items} entries; the rest is left out.`)
    const shown = this.conditions.slice(0, limits.conditions).map((condition) => `It is shown only if ${condition}.`)
    this.context.items.push(shown.length === 0 ? item : { ...item, uncertainties: [...item.uncertainties, ...shown] })
  }

  get(name: string): Value | undefined {
    if (name === '?')
      return this.status === 'unknown' ? { candidates: ['0', '1'], why: this.doubt } : this.status ? '0' : this.failure
    return this.context.environment.get(name)
  }

  /** The likeliest value; '' for unset. */
  text(name: string): string {
    return candidatesOf(this.get(name))[0] ?? ''
  }

  set(name: string, value: Value | undefined): void {
    // GRUB itself removes the parentheses when root is set.
    const isDevice = name === 'root' && typeof value === 'string' && /^\(.*\)$/.test(value)
    this.context.environment.set(name, isDevice ? value.slice(1, -1) : value)
  }

  /** The script's own settings so far, without devices and paths: the defaults of an environment block's values. */
  settings(): string[] {
    return this.context.environment.settings.filter((name) => !/^\(|^hd\d|\//.test(this.text(name)))
  }

  /** Makes a value the likeliest of a variable's possible ones. */
  doubtValue(name: string, why: string): void {
    this.set(name, { candidates: candidatesOf(this.get(name)), why })
  }

  /** The file's path, and whether it exists, for a name in GRUB's form. */
  locate(name: string) {
    return this.devices.locate(name, this.text('root'))
  }

  /** Variables of an environment block, or of its copy, once one was saved there. Undefined when there is none. */
  environmentBlock(path: string): Map<string, string> | undefined {
    if (!this.blocks.has(path)) this.blocks.set(path, parseEnvironmentBlock(this.survey.readText(path) ?? ''))
    return this.blocks.get(path)
  }

  /** Calls something deeper: a function, another file. */
  within(call: () => void): void {
    if (++this.depth > limits.calls)
      throw new LimitReached(`${this.config}: it calls itself, or reads itself, more than ${limits.calls} times.`)
    call()
    this.depth--
  }

  /** Runs something in another context, and with other arguments. */
  inContext(context: MenuContext, positional: readonly string[] | null, call: () => void): void {
    const before = {
      context: this.context,
      positional: this.positional,
      conditions: this.conditions,
      loops: this.loops,
      suspended: this.suspended,
    }
    Object.assign(this, { context, positional, conditions: [], loops: 0, suspended: [] })
    try {
      call()
    } finally {
      Object.assign(this, before)
    }
  }

  private statement(statement: Statement): void {
    this.survey.budget.spend('steps', 1 + this.context.environment.depth)
    if (++this.steps > limits.steps)
      throw new LimitReached(
        `${this.config}: it does not come to an end; what it did up to line ${statement.line} counts.`,
      )
    this.runStatement(this, statement)
  }

  /** Runs the body of a function. */
  callFunction(body: readonly Statement[], positional: readonly string[]): void {
    const before = { positional: this.positional, loops: this.loops }
    Object.assign(this, { positional, loops: 0 })
    try {
      this.within(() => this.returning(() => this.run(body)))
    } finally {
      Object.assign(this, before)
    }
  }

  expand(words: Command['words']): Expansion {
    return expand(words, {
      get: (name) => this.get(name),
      positional: this.positional,
      spend: (steps) => this.survey.budget.spend('steps', steps),
      glob: this.hasWildcards ? (pattern) => this.glob(pattern) : null,
    })
  }

  private glob(pattern: string): string[] {
    const files = this.devices.glob(pattern, this.text('root'))
    const { unknown, problem } = files.length > 0 || !isPath(pattern) ? nowhere : this.locate(pattern)
    if (unknown !== null)
      this.problem(
        'out-of-reach',
        `${this.config}: what ${pattern} stands for is missing here: ${problem ?? `it depends on ${unknown}.`}`,
      )
    return files
  }
}
