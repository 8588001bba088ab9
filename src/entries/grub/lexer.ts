import type { Word, WordPart } from './syntax.ts'

export type Token =
  | { readonly kind: 'word'; readonly word: Word; readonly plain: string | null; readonly line: number }
  | { readonly kind: 'newline' | 'end'; readonly line: number }
  | { readonly kind: ';' | '{' | '}' | '|' | '&' | '<' | '>'; readonly line: number }

/** A mistake in a script, with the line it was found in. */
export class ScriptError extends Error {
  readonly line: number

  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** Quotes and variables that one word may be made of. */
const MAX_PARTS = 20_000

const metacharacters = new Set([';', '{', '}', '|', '&', '<', '>'])
const NAME_START = /[a-zA-Z_]/
const NAME = /[a-zA-Z0-9_]/

/**
 * Takes a GRUB script apart: words, ends of lines, and `; { } | & < >`, which stand for themselves wherever they are not
 * quoted (GRUB manual, "Words", "Quoting" in "Writing full configuration files directly").
 */
export class Lexer {
  line = 1
  private at = 0
  private readonly text: string

  constructor(text: string) {
    // GRUB reads line by line and takes no carriage return before the end of one, nor what follows a NUL.
    this.text = text.includes('\r') ? text.replace(/\r+(?=\n|$)/g, '') : text
  }

  next(): Token {
    this.skipBlanks()
    const { line, at } = this
    const character = this.text[at]
    if (character === undefined) return { kind: 'end', line }
    if (character === '\n') {
      this.at++
      this.line++
      return { kind: 'newline', line }
    }
    if (metacharacters.has(character)) {
      this.at++
      return { kind: character as ';', line }
    }
    return this.word(line)
  }

  /** Goes on behind the end of this line. */
  skipLine(): void {
    const end = this.text.indexOf('\n', this.at)
    this.at = end < 0 ? this.text.length : end + 1
    if (end >= 0) this.line++
  }

  private skipBlanks(): void {
    for (;;) {
      const character = this.text[this.at]
      if (character === ' ' || character === '\t' || character === '\0') this.at++
      else if (character === '\\' && this.text[this.at + 1] === '\n') {
        this.at += 2
        this.line++
      } else if (character === '#') {
        const end = this.text.indexOf('\n', this.at)
        this.at = end < 0 ? this.text.length : end
      } else return
    }
  }

  private word(line: number): Token {
    const parts: WordPart[] = []
    let isPlain = true
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || character === '\n' || character === ' ' || character === '\t') break
      if (metacharacters.has(character)) break
      if (parts.length > MAX_PARTS) throw new ScriptError(`a word has more than ${MAX_PARTS} parts`, line)
      if (character === "'") parts.push(this.singleQuoted(line))
      else if (character === '"') parts.push(...this.doubleQuoted(line, true))
      else if (character === '$' && this.text[this.at + 1] === '"') {
        this.at++
        parts.push(...this.doubleQuoted(line, false))
      } else if (character === '$') parts.push(this.variable(false))
      else if (character === '\\') parts.push(...this.escaped())
      else {
        parts.push(this.bareText())
        continue
      }
      isPlain = false
    }
    const word: Word = { parts, line }
    const plain = isPlain ? parts.map(({ text }) => text).join('') : null
    return { kind: 'word', word, plain, line }
  }

  private bareText(): WordPart {
    const start = this.at
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || ' \t\n\'"$\\'.includes(character) || metacharacters.has(character)) break
      this.at++
    }
    return { kind: 'text', text: this.text.slice(start, this.at), isQuoted: false }
  }

  private singleQuoted(line: number): WordPart {
    const end = this.text.indexOf("'", this.at + 1)
    if (end < 0) throw this.unclosed("'", line)
    const text = this.text.slice(this.at + 1, end)
    this.at = end + 1
    this.countLines(text)
    return { kind: 'text', text, isQuoted: true }
  }

  /** @param hasVariables not so in `$"…"`, which is text to be translated. */
  private doubleQuoted(line: number, hasVariables: boolean): WordPart[] {
    const parts: WordPart[] = []
    this.at++
    let start = this.at
    let text = ''
    const finish = () => {
      text += this.text.slice(start, this.at)
    }
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined) throw this.unclosed('"', line)
      if (character === '"') break
      if (character === '\n') this.line++
      if (character === '\\') {
        const next = this.text[this.at + 1]
        if (next === '\n') this.line++
        if (next === '$' || next === '"' || next === '\\' || next === '\n') {
          finish()
          if (next !== '\n') text += next
          start = this.at + 2
        }
        this.at += 2
      } else if (character === '$' && hasVariables) {
        if (parts.length > MAX_PARTS) throw new ScriptError(`a word has more than ${MAX_PARTS} parts`, line)
        finish()
        if (text !== '') parts.push({ kind: 'text', text, isQuoted: true })
        text = ''
        parts.push(this.variable(true))
        start = this.at
      } else this.at++
    }
    finish()
    this.at++
    if (text !== '' || parts.length === 0) parts.push({ kind: 'text', text, isQuoted: true })
    return parts
  }

  private escaped(): WordPart[] {
    const next = this.text[this.at + 1]
    this.at += next === undefined ? 1 : 2
    if (next === '\n') this.line++
    return next === undefined || next === '\n' ? [] : [{ kind: 'text', text: next, isQuoted: true }]
  }

  /** `$name`, `${name}`, `$1`, `$?`; a dollar that begins none of these is a dollar. */
  private variable(isQuoted: boolean): WordPart {
    const inBraces = this.text[this.at + 1] === '{'
    const start = this.at + (inBraces ? 2 : 1)
    let end = start
    const first = this.text[start] ?? ''
    if ('?#*@'.includes(first) && first !== '') end++
    else if (first >= '0' && first <= '9') while (/[0-9]/.test(this.text[end] ?? '')) end++
    else if (NAME_START.test(first)) while (NAME.test(this.text[end] ?? '')) end++
    if (end === start || (inBraces && this.text[end] !== '}')) {
      this.at++
      return { kind: 'text', text: '$', isQuoted }
    }
    this.at = end + (inBraces ? 1 : 0)
    return { kind: 'variable', text: this.text.slice(start, end), isQuoted }
  }

  private countLines(text: string): void {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.line++
  }

  private unclosed(quote: string, line: number): ScriptError {
    this.at = this.text.length
    return new ScriptError(`a quote ${quote} is never closed`, line)
  }
}
