/** What a word is made of. Only what stands outside of quotes is split where it has blanks. */
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

/** `word word … { body }`: what GRUB runs, with the body that menuentry and submenu have. */
export interface Command {
  readonly kind: 'command'
  readonly words: readonly Word[]
  readonly body: readonly Statement[] | null
  readonly line: number
}

export interface If {
  readonly kind: 'if'
  /** Of `if` and every `elif`. */
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

/** `while`, and `until` with its condition turned round. */
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
