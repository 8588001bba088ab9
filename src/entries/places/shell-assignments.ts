/** The contents of a file of shell assignments: /etc/conf.d/kexec, /etc/default/kexec. */
export interface Assignments {
  readonly values: ReadonlyMap<string, string>
  /** Each begins with its line. */
  readonly problems: readonly string[]
}

const MAX_PROBLEMS = 20
/** Longest value, in characters: variables that double each other must not fill memory. */
const MAX_VALUE = 65_536

/**
 * Reads `NAME=value` lines as a shell would: both kinds of quotes, `\`, comments, and `$NAME` of names assigned before.
 * Nothing is run: every other line is a problem, and its value unknown.
 */
export function parseAssignments(text: string, before: ReadonlyMap<string, string> = new Map()): Assignments {
  const values = new Map(before)
  const problems: string[] = []
  const scanner = new Scanner(text, values)
  while (!scanner.atEnd) {
    const { line } = scanner
    const problem = scanner.statement()
    if (problem !== undefined && problems.length < MAX_PROBLEMS) problems.push(`${line}: ${problem}`)
  }
  return { values, problems }
}

class Scanner {
  line = 1
  private position = 0
  private readonly text: string
  private readonly values: Map<string, string>

  constructor(text: string, values: Map<string, string>) {
    this.text = text
    this.values = values
  }

  get atEnd(): boolean {
    return this.position >= this.text.length
  }

  /** One statement, up to the end of its line or a `;`. @returns its fault. */
  statement(): string | undefined {
    this.take(/[ \t\r;]*/y)
    if (this.take(/#[^\n]*/y) !== undefined || this.newline() || this.atEnd) return undefined
    this.take(/export[ \t]+/y)
    const name = this.take(/[A-Za-z_]\w*=/y)?.slice(0, -1)
    if (name === undefined) return this.giveUp('this is not an assignment, and is ignored.')
    const value = this.word()
    if (value === undefined) {
      this.values.delete(name)
      return this.giveUp(`the value of ${name} has more than quotes and known variables, and is not evaluated.`)
    }
    this.values.set(name, value)
    return undefined
  }

  /** A word of plain, quoted and variable parts; undefined when it has others, such as $(…). */
  private word(): string | undefined {
    let word = ''
    for (;;) {
      const part = this.part()
      if (part === undefined) break
      word += part
      if (word.length > MAX_VALUE) return undefined
    }
    return this.atEnd || /[\s;]/.test(this.text[this.position] as string) ? word : undefined
  }

  private part(): string | undefined {
    const single = this.take(/'[^']*'/y)
    if (single !== undefined) return single.slice(1, -1)
    if (this.text[this.position] === '"') return this.doubleQuoted()
    const escaped = this.take(/\\[^\n]/y)
    if (escaped !== undefined) return escaped.slice(1)
    if (this.take(/\\\n/y) !== undefined) return ''
    return this.take(/[^\s'"\\$`;|&<>()#]+/y) ?? this.variable() ?? (this.isInWord() ? this.take(/#+/y) : undefined)
  }

  /** A `#` begins a comment only after a blank. */
  private isInWord(): boolean {
    return !/[\s;]/.test(this.text[this.position - 1] ?? ' ')
  }

  private doubleQuoted(): string | undefined {
    const start = this.position++
    const parts: string[] = []
    let length = 0
    for (;;) {
      if (this.take(/"/y) !== undefined) return parts.join('')
      const escaped = this.take(/\\["$`\\\n]/y)
      const part =
        escaped === undefined
          ? (this.take(/[^"\\$`]+/y) ?? this.take(/\\/y) ?? this.variable() ?? this.take(/\$(?![({A-Za-z_0-9])/y))
          : escaped.slice(1).replace('\n', '')
      length += part?.length ?? 0
      if (part === undefined || length > MAX_VALUE) {
        this.position = start
        return undefined
      }
      parts.push(part)
    }
  }

  private variable(): string | undefined {
    const start = this.position
    const name = /\w+/.exec(this.take(/\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})/y) ?? '')?.[0]
    const value = name === undefined ? undefined : this.values.get(name)
    if (value === undefined) this.position = start
    return value
  }

  private giveUp(problem: string): string {
    this.take(/[^\n]*/y)
    return problem
  }

  private newline(): boolean {
    return this.take(/\n/y) !== undefined
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) return undefined
    this.position += found.length
    for (let at = found.indexOf('\n'); at >= 0; at = found.indexOf('\n', at + 1)) this.line++
    return found
  }
}
