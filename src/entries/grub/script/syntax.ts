/** The parts of a word. Only parts outside of quotes are split at blanks. */
export interface WordPart {
  readonly kind: 'text' | 'variable'
  /** The text, or the name of the variable: a name, a position, or one of `? # * @`. */
  readonly text: string
  readonly isQuoted: boolean
}

export interface Word {
  readonly parts: readonly WordPart[]
  readonly line: number
}

/** `word word … { body }`: a command of GRUB, with the body of menuentry and submenu. */
export interface Command {
  readonly kind: 'command'
  readonly words: readonly Word[]
  readonly body: readonly Statement[] | null
  readonly line: number
}

export interface If {
  readonly kind: 'if'
  /** For `if` and every `elif`. */
  readonly cases: readonly { readonly condition: readonly Statement[]; readonly body: readonly Statement[] }[]
  readonly otherwise: readonly Statement[] | null
  readonly line: number
}

export interface For {
  readonly kind: 'for'
  readonly variable: string
  readonly words: readonly Word[]
  readonly body: readonly Statement[]
  readonly line: number
}

/** `while`, and `until` with its condition inverted. */
export interface While {
  readonly kind: 'while'
  readonly isUntil: boolean
  readonly condition: readonly Statement[]
  readonly body: readonly Statement[]
  readonly line: number
}

export interface FunctionDefinition {
  readonly kind: 'function'
  readonly name: string
  readonly body: readonly Statement[]
  readonly line: number
}

export type Statement = Command | If | For | While | FunctionDefinition
