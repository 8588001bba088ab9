import { either, type Value } from './values.ts'

/**
 * Variables. A scope opened over another sees its variables and keeps its own settings to itself. It serves an entry's
 * body, which runs without effects, and each branch of an unknown condition.
 */
export class Environment {
  private readonly own = new Map<string, Value | undefined>()
  private readonly exported: Set<string>
  private readonly below: Environment | undefined
  /** Scopes below this one: the cost of reading a variable. */
  readonly depth: number

  constructor(below?: Environment) {
    this.below = below
    this.depth = below === undefined ? 0 : below.depth + 1
    this.exported = below?.exported ?? new Set()
  }

  /** Variables of this scope alone. */
  get size(): number {
    return this.own.size
  }

  get(name: string): Value | undefined {
    let scope: Environment | undefined = this
    for (; scope !== undefined; scope = scope.below) if (scope.own.has(name)) return scope.own.get(name)
    return undefined
  }

  set(name: string, value: Value | undefined): void {
    this.own.set(name, value)
  }

  /** The names of all variables that are set here but not exported; GRUB's own are exported. */
  get settings(): string[] {
    return [...new Set(this.names())].filter((name) => !this.exported.has(name) && this.get(name) !== undefined)
  }

  export(name: string): void {
    this.exported.add(name)
  }

  /** The number of variables that a submenu gets. */
  get exports(): number {
    return this.exported.size
  }

  /** The environment of a submenu, and of a configfile: only exported variables are visible there. */
  exportedOnly(): Environment {
    const environment = new Environment()
    for (const name of this.exported) {
      environment.export(name)
      environment.set(name, this.get(name))
    }
    return environment
  }

  /**
   * Combines the settings of two scopes over this one.
   * @param one the likelier. @param why the reason for the doubt
   */
  join(one: Environment, other: Environment, why: string): void {
    for (const name of new Set([...one.own.keys(), ...other.own.keys()]))
      this.set(name, either(one.get(name), other.get(name), why))
  }

  /** Keeps the settings of a scope over this one. */
  take(scope: Environment): void {
    for (const [name, value] of scope.own) this.set(name, value)
  }

  /** A copy that later changes do not reach. */
  snapshot(): Environment {
    const copy = new Environment()
    const scopes: Environment[] = []
    for (let scope: Environment | undefined = this; scope !== undefined; scope = scope.below) scopes.unshift(scope)
    for (const scope of scopes) copy.take(scope)
    return copy
  }

  /** Adds to the values known here the values of another path to this place, by its snapshot. */
  meet(snapshot: Environment, isLikelier: boolean, why: string): void {
    for (const name of new Set([...snapshot.own.keys(), ...this.names()])) {
      const [own, other] = [this.get(name), snapshot.get(name)]
      if (own !== other) this.set(name, isLikelier ? either(other, own, why) : either(own, other, why))
    }
  }

  private *names(): Generator<string> {
    for (let scope: Environment | undefined = this; scope !== undefined; scope = scope.below) yield* scope.own.keys()
  }
}
