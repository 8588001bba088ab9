import { Lexer, ScriptError, type Token } from './lexer.ts'
import type { Command, For, FunctionDefinition, If, Statement, While, Word } from './syntax.ts'

/** Deeper blocks than any configuration has; GRUB's own parser ends at a like depth. */
const MAX_DEPTH = 1200

/** Longer lines and commands than any configuration has: what is read as a whole has to fit into memory. */
const MAX_STATEMENTS = 300_000
const MAX_WORDS = 100_000

/** A line with more commands is handed over in parts. GRUB would run none of them if a later one had a mistake. */
const MAX_AT_ONCE = 1000

/** Words that end a list of statements, where a command could begin. */
const enders = new Set(['then', 'elif', 'else', 'fi', 'do', 'done', '}'])

/** What GRUB executes as a whole before it reads on: the statements of a line, and of those that belong to it. */
export type Chunk =
  | { readonly statements: readonly Statement[]; readonly problem?: never }
  | { readonly statements?: never; readonly problem: ScriptError }

/**
 * Reads a GRUB script as GRUB does: line by line, so that a line with a mistake is dropped, with what belongs to it, and the
 * next is read as if nothing had been.
 */
export function* parseScript(text: string): Generator<Chunk> {
  const parser = new Parser(new Lexer(text))
  for (;;) {
    const chunk = parser.chunk()
    if (chunk === undefined) return
    yield chunk
  }
}

class Parser {
  private readonly lexer: Lexer
  private token: Token
  private depth = 0
  private statementCount = 0
  /** Whether the last statement of a block was ended by a line's end or `;`. */
  private isEnded = true
  private failed: ScriptError | undefined

  constructor(lexer: Lexer) {
    this.lexer = lexer
    this.token = { kind: 'newline', line: 1 }
    this.start()
  }

  chunk(): Chunk | undefined {
    if (this.failed !== undefined) return this.recover(this.failed)
    if (this.token.kind === 'end') return undefined
    try {
      return { statements: this.line() }
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error
      return this.recover(error)
    }
  }

  /** The statements up to the end of a line that stands in no block. */
  private line(): Statement[] {
    const statements: Statement[] = []
    this.statementCount = 0
    for (;;) {
      const { kind } = this.token
      if (kind === 'newline' || kind === 'end') {
        this.start()
        return statements
      }
      if (kind === ';' && statements.length > 0) this.advance()
      else if (statements.length >= MAX_AT_ONCE) return statements
      else statements.push(this.statement())
    }
  }

  /** Goes to the next line. A mistake at its very beginning is told with the next chunk. */
  private recover(problem: ScriptError): Chunk {
    this.failed = undefined
    this.depth = 0
    if (this.token.kind !== 'newline' && this.token.kind !== 'end') this.lexer.skipLine()
    this.token = { kind: 'newline', line: this.lexer.line }
    this.start()
    return { problem }
  }

  private start(): void {
    try {
      if (this.token.kind === 'newline') this.advance()
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error
      this.failed = error
    }
  }

  private statement(): Statement {
    const { token } = this
    if (++this.statementCount > MAX_STATEMENTS)
      throw new ScriptError(`there are more than ${MAX_STATEMENTS} commands in a line`, token.line)
    if (token.kind !== 'word') throw new ScriptError(`there should be a command, not ${named(token)}`, token.line)
    switch (token.plain) {
      case 'if':
        return this.nested(() => this.ifStatement(token.line))
      case 'for':
        return this.nested(() => this.forStatement(token.line))
      case 'while':
      case 'until':
        return this.nested(() => this.whileStatement(token.line, token.plain === 'until'))
      case 'function':
        if (this.depth > 0) throw new ScriptError('a function is defined inside of a block', token.line)
        return this.nested(() => this.functionDefinition(token.line))
    }
    if (token.plain !== null && enders.has(token.plain))
      throw new ScriptError(`'${token.plain}' belongs to nothing`, token.line)
    return this.command()
  }

  private command(): Command {
    const { line } = this.token
    const words = this.words()
    const body = this.isAtKind('{') ? this.nested(() => this.block()) : null
    for (const kind of ['|', '&', '<', '>'] as const)
      if (this.isAtKind(kind)) throw new ScriptError(`GRUB has no '${kind}'`, this.token.line)
    // What stood behind a block would be further arguments; GRUB has no command that takes them.
    if (this.isAtKind('word')) throw new ScriptError('there is more behind the block', this.token.line)
    return { kind: 'command', words, body, line }
  }

  private words(): Word[] {
    const words: Word[] = []
    while (this.token.kind === 'word') {
      words.push(this.token.word)
      if (words.length > MAX_WORDS) throw new ScriptError(`a command has more than ${MAX_WORDS} words`, this.token.line)
      this.advance()
    }
    return words
  }

  /** @param isStrict of a function, the last command has to be ended before the brace: GRUB's grammar has it so. */
  private block(isStrict = false): Statement[] {
    this.advance()
    const statements = this.statements('}')
    if (isStrict && !this.isEnded)
      throw new ScriptError("there should be an end of line or ';' before }", this.token.line)
    if (this.token.kind !== '}') throw new ScriptError("a block's } is missing", this.token.line)
    this.advance()
    return statements
  }

  private ifStatement(line: number): If {
    const cases: If['cases'][number][] = []
    do {
      this.advance()
      const condition = this.statements('then')
      this.expect('then')
      cases.push({ condition, body: this.statements('elif', 'else', 'fi') })
    } while (this.isAt('elif'))
    let otherwise: Statement[] | null = null
    if (this.isAt('else')) {
      this.advance()
      otherwise = this.statements('fi')
    }
    this.expect('fi')
    return { kind: 'if', cases, otherwise, line }
  }

  private forStatement(line: number): For {
    this.advance()
    const variable = this.name('for')
    this.expect('in')
    const words = this.words()
    this.separator()
    const body = this.loopBody()
    return { kind: 'for', variable, words, body, line }
  }

  private whileStatement(line: number, isUntil: boolean): While {
    this.advance()
    const condition = this.statements('do')
    return { kind: 'while', isUntil, condition, body: this.loopBody(), line }
  }

  private loopBody(): Statement[] {
    this.expect('do')
    const body = this.statements('done')
    this.expect('done')
    return body
  }

  private functionDefinition(line: number): FunctionDefinition {
    this.advance()
    const name = this.name('function')
    this.skipSeparators()
    if (this.token.kind !== '{') throw new ScriptError(`the function ${name} has no {`, this.token.line)
    return { kind: 'function', name, body: this.block(true), line }
  }

  /** Statements up to one of these words or `}`, which is left for the caller. */
  private statements(...ends: readonly string[]): Statement[] {
    const statements: Statement[] = []
    for (;;) {
      this.skipSeparators()
      const { token } = this
      if (token.kind === 'end') throw new ScriptError(`the file ends before '${ends.at(-1)}'`, token.line)
      if (token.kind === '}' || (token.kind === 'word' && token.plain !== null && ends.includes(token.plain)))
        return statements
      statements.push(this.statement())
      this.isEnded = !this.isAtKind('}')
      this.separator()
    }
  }

  private name(keyword: string): string {
    const { token } = this
    if (token.kind !== 'word' || token.plain === null) throw new ScriptError(`'${keyword}' needs a name`, token.line)
    this.advance()
    return token.plain
  }

  /** What ends a statement, unless the end of a block does. */
  private separator(): void {
    const { kind, line } = this.token
    if (kind === ';' || kind === 'newline') this.skipSeparators()
    else if (kind !== '}' && kind !== 'end')
      throw new ScriptError(`there should be an end of line or ';', not ${named(this.token)}`, line)
  }

  private skipSeparators(): void {
    while (this.token.kind === ';' || this.token.kind === 'newline') this.advance()
  }

  private isAtKind(kind: Token['kind']): boolean {
    return this.token.kind === kind
  }

  private isAt(word: string): boolean {
    return this.token.kind === 'word' && this.token.plain === word
  }

  private expect(word: string): void {
    if (!this.isAt(word)) throw new ScriptError(`there should be '${word}', not ${named(this.token)}`, this.token.line)
    this.advance()
  }

  private nested<Result>(parse: () => Result): Result {
    if (++this.depth > MAX_DEPTH) throw new ScriptError(`blocks are nested deeper than ${MAX_DEPTH}`, this.token.line)
    const result = parse()
    this.depth--
    return result
  }

  private advance(): void {
    this.token = this.lexer.next()
  }
}

function named(token: Token): string {
  if (token.kind === 'end') return 'the end of the file'
  if (token.kind === 'newline') return 'the end of the line'
  if (token.kind === 'word') return `'${token.plain ?? 'a word'}'`
  return `'${token.kind}'`
}
