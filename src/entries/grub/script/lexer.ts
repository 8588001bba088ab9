import type { WordPart } from './syntax.ts'

export interface Token {
  readonly kind: 'word' | 'newline' | ';' | '{' | '}' | 'bad' | 'end'
  /**
   * The text of a plain word, without quotes, escapes or variables: it may be a keyword or a name. For a token that is
   * not a word, its name in a message.
   */
  readonly plain: string | null
  readonly parts: readonly WordPart[]
  readonly line: number
}

/** Quotes, escapes and variables that one word may be made of. */
const MAX_PARTS = 20_000

const blanks = /[ \t]+/y
const comment = /#[^\n]*/y
/** The characters that need no attention inside a word. */
const bareRun = /[^{}|&$;<> \t\n'"\\]+/y
const variable = /\$(?:([A-Za-z_][A-Za-z0-9_]*|\d+|[?#*@])|\{([A-Za-z_][A-Za-z0-9_]*|\d+|[?#*@])\})/y
/** In `$"…"`, where a `$` that begins no variable is literal, and positions are empty. */
const translatedVariable = /\$(?:([A-Za-z_][A-Za-z0-9_]*|\d+|[?#])|\{([A-Za-z_][A-Za-z0-9_]*|\d+|[?#])\})/y
const singleQuotedRun = /[^'\n]+/y
const doubleQuotedRun = /[^"$\\\n]+/y
const endsWord = new Set([...'{}|&;<> \t\n'])

/**
 * Takes a GRUB script apart (GRUB manual, "Writing full configuration files directly"; details as in
 * grub-script-check). It reads like GRUB's own reader: carriage returns are ignored, a NUL ends its line, and a line
 * that begins with # does not exist, not even within quotes.
 */
export class Lexer {
  line = 1
  private at = 0
  /** Where the last token begins. */
  private start = 0
  private readonly text: string

  constructor(text: string) {
    const lines = text.includes('\0') ? text.replace(/\0[^\n]*/g, '') : text
    const unix = lines.includes('\r') ? lines.replaceAll('\r', '') : lines
    this.text = unix === '' || unix.endsWith('\n') ? unix : `${unix}\n`
  }

  next(): Token {
    this.take(blanks)
    if (this.text[this.at] === '#') this.take(comment)
    this.start = this.at
    const character = this.text[this.at]
    switch (character) {
      case undefined:
        // Every line has an end, so the file ends on the line before.
        return { kind: 'end', plain: 'the end of the file', parts: [], line: Math.max(1, this.line - 1) }
      case '\n': {
        const newline = this.mark('newline', 1, 'the end of the line')
        this.line++
        return newline
      }
      case ';':
        return this.text[this.at + 1] === ';' ? this.mark('bad', 2, "';;'") : this.mark(';', 1, "';'")
      case '{':
      case '}':
        return this.mark(character, 1, `'${character}'`)
      case '|':
      case '&':
      case '<':
      case '>':
        return this.mark('bad', 1, `'${character}', which GRUB has no use for`)
    }
    return this.word(this.line)
  }

  /** After a mistake GRUB continues with the next line. */
  skipLine(): void {
    // The mistake may have been the end of the line; a lone $ takes up nothing.
    if (this.at > this.start && this.text[this.at - 1] === '\n') return
    const end = this.text.indexOf('\n', this.at)
    this.at = end < 0 ? this.text.length : end + 1
    if (end >= 0) this.line++
  }

  private mark(kind: Token['kind'], length: number, plain: string): Token {
    this.at += length
    return { kind, plain, parts: [], line: this.line }
  }

  private word(line: number): Token {
    const start = this.at
    const parts: WordPart[] = []
    let isPlain = true
    let mistake: string | undefined
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || endsWord.has(character)) break
      if (parts.length > MAX_PARTS) mistake ??= `a word of more than ${MAX_PARTS} parts`
      isPlain &&= !'\'"$\\'.includes(character)
      if (character === "'") mistake ??= this.singleQuoted(parts)
      else if (character === '"') mistake ??= this.doubleQuoted(parts, variable)
      else if (character === '\\') this.escaped(parts)
      else if (character !== '$') parts.push({ kind: 'text', text: this.take(bareRun), isQuoted: false })
      else if (this.text[this.at + 1] === '"') {
        this.at++
        mistake ??= this.doubleQuoted(parts, translatedVariable)
      } else if (!this.variable(parts, variable, false)) mistake ??= loneDollar
      if (mistake !== undefined) return { kind: 'bad', plain: mistake, parts: [], line }
    }
    const plain = isPlain ? this.text.slice(start, this.at) : null
    if (plain === '[[' || plain === ']]')
      return { kind: 'bad', plain: `'${plain}', which GRUB has no use for`, parts: [], line }
    return { kind: 'word', plain, parts, line }
  }

  private escaped(parts: WordPart[]): void {
    const text = this.text[this.at + 1] ?? ''
    this.at += 1 + text.length
    if (text === '\n') this.newLine()
    else if (text !== '') parts.push({ kind: 'text', text, isQuoted: true })
  }

  /**
   * @returns the mistake, if any.
   */
  private singleQuoted(parts: WordPart[]): string | undefined {
    this.at++
    let text = ''
    for (;;) {
      text += this.take(singleQuotedRun)
      const character = this.text[this.at++]
      if (character === undefined) return "a quote ' that is never closed"
      if (character === "'") break
      text += character
      this.newLine()
    }
    parts.push({ kind: 'text', text, isQuoted: true })
    return undefined
  }

  /** `"…"`, and `$"…"`, which GRUB translates before it puts in the variables. @returns the mistake, if any. */
  private doubleQuoted(parts: WordPart[], names: RegExp): string | undefined {
    const isTranslated = names === translatedVariable
    let text = ''
    let mistake: string | undefined
    const flush = () => {
      parts.push({ kind: 'text', text, isQuoted: true })
      text = ''
    }
    this.at++
    for (;;) {
      text += this.take(doubleQuotedRun)
      const character = this.text[this.at]
      if (character === undefined) return 'a quote " that is never closed'
      if (character === '"') {
        this.at++
        flush()
        return mistake
      }
      if (character === '$') {
        if (text !== '') flush()
        if (parts.length > MAX_PARTS) mistake ??= `a word of more than ${MAX_PARTS} parts`
        if (mistake === undefined && this.variable(parts, names, true)) continue
        if (!isTranslated) mistake ??= loneDollar
        text += character
        this.at++
      } else if (character === '\\') text += this.escapedInQuotes()
      else {
        text += character
        this.at++
        this.newLine()
      }
    }
  }

  /** Within double quotes a backslash escapes only four characters; before others it is literal. */
  private escapedInQuotes(): string {
    const next = this.text[this.at + 1] ?? ''
    this.at += 1 + next.length
    if (next !== '\n') return next !== '' && '$"\\'.includes(next) ? next : `\\${next}`
    this.newLine()
    return ''
  }

  private variable(parts: WordPart[], names: RegExp, isQuoted: boolean): boolean {
    names.lastIndex = this.at
    const [all, bare, braced] = names.exec(this.text) ?? []
    if (all === undefined) return false
    this.at += all.length
    const isPosition = /^\d/.test(bare ?? braced ?? '')
    if (names === translatedVariable && isPosition) return true
    parts.push({ kind: 'variable', text: (bare ?? braced) as string, isQuoted })
    return true
  }

  /** Another line within a word has begun; comment lines are skipped. */
  private newLine(): void {
    this.line++
    while (this.text[this.at] === '#') {
      const end = this.text.indexOf('\n', this.at)
      this.at = end < 0 ? this.text.length : end + 1
      this.line++
    }
  }

  private take(pattern: RegExp): string {
    const start = this.at
    pattern.lastIndex = start
    if (pattern.test(this.text)) this.at = pattern.lastIndex
    return this.text.slice(start, this.at)
  }
}

const loneDollar = "a '$' that begins no variable"
