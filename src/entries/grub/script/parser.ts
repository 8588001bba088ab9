import { BudgetSpent } from '../../model/budget.ts'
import { Lexer, type Token } from './lexer.ts'
import type { If, Statement, Word } from './syntax.ts'

/** Deeper blocks than any configuration has; GRUB's own parser ends at a similar depth. */
const MAX_DEPTH = 1200

/** Longer lines and commands than any configuration has: a unit that is read as a whole must fit into memory. */
const MAX_STATEMENTS = 300_000
const MAX_WORDS = 100_000

/** A line with more commands is passed on in parts. GRUB would run none of them if a later one had a mistake. */
const MAX_AT_ONCE = 1000

const keywords = new Set('case do done elif else esac fi for if in select then until while function'.split(' '))

/** A mistake in a script. */
export interface SyntaxProblem {
  readonly message: string
  readonly line: number
}

/** The unit that GRUB executes before it reads on: the statements of a line, and of the lines that belong to it. */
export type Chunk =
  | { readonly statements: readonly Statement[]; readonly problem?: never }
  | { readonly statements?: never; readonly problem: SyntaxProblem }

/** The construct around a list of commands, which decides how the list may end. */
type Place = 'block' | 'function' | 'condition' | 'then' | 'else' | 'loop-condition' | 'loop-body'

/** A statement whose end has not been reached. */
type Unfinished =
  | { readonly kind: 'command'; readonly words: readonly Word[]; readonly line: number }
  | { readonly kind: 'function'; readonly name: string; readonly line: number }
  | { readonly kind: 'if'; readonly cases: If['cases'][number][]; readonly line: number }
  | { readonly kind: 'for'; readonly variable: string; readonly words: readonly Word[]; readonly line: number }
  | {
      readonly kind: 'while'
      readonly isUntil: boolean
      readonly condition: readonly Statement[]
      readonly line: number
    }

/** A list of commands that is being read. */
interface OpenList {
  readonly place: Place
  readonly of: Unfinished
  readonly statements: Statement[]
  state: 'begun' | 'after-command' | 'after-delimiter'
}

class Mistake extends Error {
  readonly token: Token

  constructor(token: Token, message?: string) {
    super(
      message ??
        `${token.plain === null || token.kind === 'word' ? `'${token.plain ?? 'a word'}'` : token.plain} is not allowed here`,
    )
    this.token = token
  }
}

/**
 * Reads a GRUB script as GRUB does: a line, and as many more as an open brace, quote, `if` or loop takes. A unit with a
 * mistake is dropped as a whole, and reading continues with the next line. The grammar is that of grub-script-check: no
 * list of commands is empty, `;` ends a command and stands nowhere else, functions are defined at the top only.
 * @param afford called with the number of commands and words to keep. @throws BudgetSpent when they exceed the budget
 */
export function* parseScript(text: string, afford: (amount: number) => boolean = () => true): Generator<Chunk> {
  const parser = new Parser(new Lexer(text), afford)
  for (;;) {
    const chunk = parser.chunk()
    if (chunk === undefined) return
    yield chunk
  }
}

class Parser {
  private readonly lexer: Lexer
  private readonly afford: (amount: number) => boolean
  private token: Token
  private statements: Statement[] = []
  private open: OpenList[] = []
  /** Statements of this line and of those that belong to it. */
  private count = 0
  /** At the top: whether a delimiter must come before the next statement. */
  private isComplete = false
  private isAtEnd = false
  /** Whether the current token is still to be consumed. */
  private isAhead = false

  constructor(lexer: Lexer, afford: (amount: number) => boolean) {
    this.lexer = lexer
    this.afford = afford
    this.token = lexer.next()
  }

  chunk(): Chunk | undefined {
    if (this.isAtEnd) return undefined
    try {
      return { statements: this.line() }
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      this.startOver()
      this.lexer.skipLine()
      this.advance()
      return { problem: { message: error.message, line: error.token.line } }
    }
  }

  /** The statements up to the end of a line outside of blocks. */
  private line(): Statement[] {
    for (;;) {
      const isNewline = this.token.kind === 'newline' && this.open.length === 0
      this.isAtEnd = this.token.kind === 'end' && this.open.length === 0
      if (!isNewline && !this.isAtEnd) this.takeToken()
      if (this.isAhead) this.isAhead = false
      else if (!this.isAtEnd) this.advance()
      const isFull = this.open.length === 0 && this.statements.length >= MAX_AT_ONCE
      if (!isNewline && !this.isAtEnd && !isFull) continue
      const { statements } = this
      const { isComplete } = this
      this.startOver()
      this.isComplete = isFull && isComplete && !isNewline
      return statements
    }
  }

  private startOver(): void {
    this.statements = []
    this.open = []
    this.count = 0
    this.isComplete = false
  }

  private takeToken(): void {
    const list = this.open.at(-1)
    if (list !== undefined) this.inList(list)
    else if (this.token.kind === ';' && this.isComplete) this.isComplete = false
    else if (this.token.kind === 'newline') this.isComplete = false
    else if (this.isComplete || this.token.kind === ';') this.fail()
    else this.begin(true)
  }

  private inList(list: OpenList): void {
    const { kind, plain } = this.token
    if (kind === 'newline') {
      if (list.state === 'after-command') list.state = 'after-delimiter'
    } else if (kind === ';') {
      if (list.state !== 'after-command') this.fail()
      list.state = 'after-delimiter'
    } else if (kind === '}') this.closeBraces(list)
    else if (kind === 'end') this.fail(`a block of line ${list.of.line} is not closed`)
    else if (list.state === 'after-command') this.fail()
    else if (list.state === 'begun' || kind !== 'word' || plain === null || !this.endsList(list, plain))
      this.begin(false)
  }

  /** In a function, the last command must end before the brace: GRUB's grammar requires it. */
  private closeBraces({ place, state, of, statements }: OpenList): void {
    if (place === 'block' && state !== 'begun' && of.kind === 'command') this.finish({ ...of, body: statements })
    else if (place === 'function' && state === 'after-delimiter' && of.kind === 'function')
      this.finish({ ...of, body: statements })
    else this.fail(state === 'begun' ? 'a block is empty' : undefined)
  }

  /** Whether a keyword ends a list; then follows its statement's next part, or the statement is complete. */
  private endsList({ place, of, statements }: OpenList, keyword: string): boolean {
    if (place === 'condition' && keyword === 'then' && of.kind === 'if') {
      of.cases.push({ condition: statements, body: [] })
      this.next('then', of)
    } else if (place === 'then' && (keyword === 'fi' || keyword === 'else' || keyword === 'elif') && of.kind === 'if') {
      const last = of.cases.at(-1) as If['cases'][number]
      of.cases[of.cases.length - 1] = { ...last, body: statements }
      if (keyword === 'fi') this.finish({ ...of, otherwise: null })
      else this.next(keyword === 'else' ? 'else' : 'condition', of)
    } else if (place === 'else' && keyword === 'fi' && of.kind === 'if') this.finish({ ...of, otherwise: statements })
    else if (place === 'loop-condition' && keyword === 'do' && of.kind === 'while')
      this.next('loop-body', { ...of, condition: statements })
    else if (place === 'loop-body' && keyword === 'done' && (of.kind === 'while' || of.kind === 'for'))
      this.finish({ ...of, body: statements })
    else return false
    return true
  }

  private next(place: Place, of: Unfinished): void {
    this.open.pop()
    this.start(place, of)
  }

  private start(place: Place, of: Unfinished): void {
    if (this.open.length >= MAX_DEPTH) this.fail(`blocks are nested deeper than ${MAX_DEPTH}`)
    this.open.push({ place, of, statements: [], state: 'begun' })
  }

  private finish(statement: Statement): void {
    this.open.pop()
    this.add(statement)
  }

  private add(statement: Statement): void {
    if (!this.afford(1)) throw new BudgetSpent()
    if (++this.count > MAX_STATEMENTS) this.fail(`there are more than ${MAX_STATEMENTS} commands in a line`)
    const list = this.open.at(-1)
    if (list === undefined) {
      this.statements.push(statement)
      this.isComplete = true
    } else {
      list.statements.push(statement)
      list.state = 'after-command'
    }
  }

  /** A statement begins with the current token. */
  private begin(isAtTop: boolean): void {
    const { kind, plain, line } = this.token
    if (kind !== 'word') this.fail()
    if (plain === null || !keywords.has(plain)) this.command()
    else if (plain === 'if') this.start('condition', { kind: 'if', cases: [], line })
    else if (plain === 'for') this.forLoop(line)
    else if (plain === 'while' || plain === 'until')
      this.start('loop-condition', { kind: 'while', isUntil: plain === 'until', condition: [], line })
    else if (plain !== 'function') this.fail(`'${plain}' is out of place`)
    else if (isAtTop) this.functionHead(line)
    else this.fail('a function is defined inside a block')
  }

  private command(): void {
    const { line } = this.token
    const words = this.words()
    if (this.token.kind === '{') this.start('block', { kind: 'command', words, line })
    else {
      this.add({ kind: 'command', words, body: null, line })
      this.isAhead = true
    }
  }

  /** The words from the current token on; the token after them is current then. */
  private words(): Word[] {
    const words: Word[] = []
    for (; this.token.kind === 'word'; this.advance()) {
      if (words.length >= MAX_WORDS) this.fail(`a command has more than ${MAX_WORDS} words`)
      if (!this.afford(this.token.parts.length)) throw new BudgetSpent()
      words.push({ parts: this.token.parts, line: this.token.line })
    }
    return words
  }

  private forLoop(line: number): void {
    const variable = this.name('for')
    this.advance()
    this.expect('in')
    this.advance()
    const words = this.words()
    if (!this.is('newline') && !this.is(';')) this.fail()
    do this.advance()
    while (this.is('newline'))
    this.expect('do')
    this.start('loop-body', { kind: 'for', variable, words, line })
  }

  private functionHead(line: number): void {
    const name = this.name('function')
    do this.advance()
    while (this.is('newline'))
    if (!this.is('{')) this.fail(`the function ${name} has no {`)
    this.start('function', { kind: 'function', name, line })
  }

  private name(keyword: string): string {
    this.advance()
    const { kind, plain } = this.token
    if (kind !== 'word' || plain === null || keywords.has(plain) || !/^[A-Za-z_]\w*$/.test(plain))
      this.fail(`'${keyword}' needs a name`)
    return plain as string
  }

  private expect(keyword: string): void {
    if (!this.is('word') || this.token.plain !== keyword) this.fail(`there should be '${keyword}'`)
  }

  private is(kind: Token['kind']): boolean {
    return this.token.kind === kind
  }

  private advance(): void {
    this.token = this.lexer.next()
  }

  private fail(message?: string): never {
    throw new Mistake(this.token, message)
  }
}
