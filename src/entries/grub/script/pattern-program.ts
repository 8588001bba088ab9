/** One step of a compiled pattern. Bytes are numbers below 256. */
export type Instruction =
  | { readonly kind: 'set'; readonly set: Uint8Array }
  | { readonly kind: 'split'; readonly first: number; readonly second: number }
  | { readonly kind: 'jump'; readonly to: number }
  | { readonly kind: 'save'; readonly slot: number }
  /** Continues only behind the place of the `mark` with this number. */
  | { readonly kind: 'mark'; readonly mark: number }
  | { readonly kind: 'advance'; readonly mark: number }
  | { readonly kind: 'assert'; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: 'match' }

/** Nodes and instructions of one pattern: `{n,m}` repeats the part before it. */
const MAX_NODES = 5000
const MAX_INSTRUCTIONS = 20_000
const MAX_DEPTH = 100
/** RE_DUP_MAX. */
const MAX_COUNT = 0x7fff

type Node =
  | { readonly kind: 'set'; readonly set: Uint8Array }
  | { readonly kind: 'assert'; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'group'; readonly number: number; readonly inner: Node }
  | { readonly kind: 'repeat'; readonly inner: Node; readonly least: number; readonly most: number }

/** A pattern that regcomp refuses. */
class Malformed extends Error {}

/** A pattern that is not evaluated here: with back references, or too large. */
class Unsupported extends Error {}

/**
 * @returns null for a text that is not an expression, undefined for one that is not evaluated here
 */
export function compilePattern(pattern: string): readonly Instruction[] | null | undefined {
  try {
    const code = new Emitter()
    code.emit(new Parser(pattern).whole())
    code.instructions.push({ kind: 'match' })
    return code.instructions
  } catch (error) {
    if (error instanceof Malformed) return null
    if (error instanceof Unsupported) return undefined
    throw error
  }
}

class Emitter {
  readonly instructions: Instruction[] = []
  private calls = 0
  private marks = 0

  emit(node: Node): void {
    if (++this.calls > MAX_INSTRUCTIONS) throw new Unsupported()
    const { instructions } = this
    switch (node.kind) {
      case 'set':
      case 'assert':
        instructions.push(node)
        break
      case 'sequence':
        for (const part of node.parts) this.emit(part)
        break
      case 'group':
        instructions.push({ kind: 'save', slot: 2 * node.number })
        this.emit(node.inner)
        instructions.push({ kind: 'save', slot: 2 * node.number + 1 })
        break
      case 'choice':
        this.choice(node.parts)
        break
      case 'repeat':
        this.repeat(node)
    }
  }

  private choice(parts: readonly Node[]): void {
    const { instructions } = this
    const jumps: number[] = []
    parts.forEach((part, index) => {
      const split = index < parts.length - 1 ? this.later() : null
      this.emit(part)
      if (split === null) return
      jumps.push(this.later())
      instructions[split] = { kind: 'split', first: split + 1, second: instructions.length }
    })
    for (const jump of jumps) instructions[jump] = { kind: 'jump', to: instructions.length }
  }

  /** `x*` is `(x+)?`: an x that can match nothing has matched then. */
  private repeat({ inner, least, most }: Extract<Node, { kind: 'repeat' }>): void {
    const { instructions } = this
    const isEndless = most === Number.POSITIVE_INFINITY
    for (let count = isEndless ? 1 : 0; count < least; count++) this.emit(inner)
    const options: number[] = []
    if (isEndless) {
      if (least === 0) options.push(this.later())
      const start = instructions.length
      this.emit(inner)
      instructions.push({ kind: 'split', first: start, second: instructions.length + 1 })
    } else {
      for (let count = least; count < most; count++) {
        options.push(this.later())
        this.option(inner, count > 0)
      }
    }
    for (const option of options)
      instructions[option] = { kind: 'split', first: option + 1, second: instructions.length }
  }

  /** A repetition that matches nothing does not count: the groups stay as the one before it left them. */
  private option(inner: Node, isFurther: boolean): void {
    const mark = this.marks++
    if (isFurther) this.instructions.push({ kind: 'mark', mark })
    this.emit(inner)
    if (isFurther) this.instructions.push({ kind: 'advance', mark })
  }

  /** A place for an instruction that is known only after the following ones. */
  private later(): number {
    return this.instructions.push({ kind: 'match' }) - 1
  }
}

/** Of gnulib's RE_SYNTAX_POSIX_EXTENDED (regex.h), with GNU's operators. */
class Parser {
  private readonly text: string
  private at = 0
  private groups = 0
  private depth = 0
  private nodes = 0

  constructor(text: string) {
    this.text = text
  }

  whole(): Node {
    return this.choice()
  }

  private choice(): Node {
    if (++this.depth > MAX_DEPTH) throw new Unsupported()
    const parts = [this.sequence()]
    while (this.text[this.at] === '|') {
      this.at++
      parts.push(this.sequence())
    }
    this.depth--
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'choice', parts }
  }

  private sequence(): Node {
    const parts: Node[] = []
    for (;;) {
      const character = this.text[this.at]
      // A parenthesis that closes nothing is literal.
      if (character === undefined || character === '|' || (character === ')' && this.depth > 1)) break
      parts.push(this.repeated(this.atom()))
    }
    return { kind: 'sequence', parts }
  }

  private repeated(atom: Node): Node {
    let node = atom
    for (let count = 0; ; count++) {
      const bounds = this.bounds()
      if (bounds === null) return node
      if (count > MAX_DEPTH) throw new Unsupported()
      // After an anchor regcomp takes it for a character, or refuses it; it never repeats there.
      if (atom.kind === 'assert') throw new Unsupported()
      node = { kind: 'repeat', inner: node, ...bounds }
    }
  }

  private bounds(): { least: number; most: number } | null {
    switch (this.text[this.at]) {
      case '*':
        this.at++
        return { least: 0, most: Number.POSITIVE_INFINITY }
      case '+':
        this.at++
        return { least: 1, most: Number.POSITIVE_INFINITY }
      case '?':
        this.at++
        return { least: 0, most: 1 }
      case '{':
        return this.interval()
      default:
        return null
    }
  }

  private interval(): { least: number; most: number } {
    const interval = /\{(\d{0,6})(?:(,)(\d{0,6}))?\}/y
    interval.lastIndex = this.at
    const [all, least = '', comma, most = ''] = interval.exec(this.text) ?? []
    if (all === undefined || (least === '' && comma === undefined)) throw new Malformed()
    this.at += all.length
    const from = Number(least)
    const to = comma === undefined ? from : most === '' ? Number.POSITIVE_INFINITY : Number(most)
    if (to < from || from > MAX_COUNT || (to > MAX_COUNT && most !== '')) throw new Malformed()
    return { least: from, most: to }
  }

  private atom(): Node {
    if (++this.nodes > MAX_NODES) throw new Unsupported()
    const character = this.text[this.at++] as string
    switch (character) {
      case '(':
        return this.group()
      case '[':
        return this.bracket()
      case '.':
        return set((code) => code !== 0)
      case '^':
        return { kind: 'assert', holds: (_, at) => at === 0 }
      case '$':
        return { kind: 'assert', holds: (text, at) => at === text.length }
      case '*':
      case '+':
      case '?':
      case '{':
        throw new Malformed()
      case '\\':
        return this.escape()
      default:
        return literal(character)
    }
  }

  private group(): Node {
    const number = ++this.groups
    const inner = this.choice()
    if (this.text[this.at] !== ')') throw new Malformed()
    this.at++
    return { kind: 'group', number, inner }
  }

  private escape(): Node {
    const character = this.text[this.at++]
    if (character === undefined) throw new Malformed()
    if (/[1-9]/.test(character)) throw new Unsupported()
    switch (character) {
      case 'w':
        return set(isWord)
      case 'W':
        return set((code) => !isWord(code))
      case 's':
        return set(isSpace)
      case 'S':
        return set((code) => !isSpace(code))
      case '`':
        return { kind: 'assert', holds: (_, at) => at === 0 }
      case "'":
        return { kind: 'assert', holds: (text, at) => at === text.length }
      case 'b':
      case 'B':
      case '<':
      case '>':
        return { kind: 'assert', holds: boundary(character) }
      default:
        return literal(character)
    }
  }

  /** `[…]`: a backslash is literal in it, and so is `]` at its start. */
  private bracket(): Node {
    const isNegated = this.text[this.at] === '^'
    if (isNegated) this.at++
    const members = new Uint8Array(256)
    for (let isFirst = true; this.text[this.at] !== ']' || isFirst; isFirst = false) {
      const first = this.member(members)
      if (first === null) continue
      const isRange = this.text[this.at] === '-' && this.text[this.at + 1] !== ']' && this.at + 1 < this.text.length
      if (isRange) this.at++
      const last = isRange ? this.member(null) : first
      if (last === null || last < first) throw new Malformed()
      members.fill(1, first, last + 1)
    }
    this.at++
    return { kind: 'set', set: isNegated ? members.map((is) => 1 - is) : members }
  }

  /** A character's code; null for a class, which is added to the members. */
  private member(members: Uint8Array | null): number | null {
    const special = /\[([:.=])(.{1,20}?)\1\]/sy
    special.lastIndex = this.at
    const [all, kind, name = ''] = this.text[this.at] === '[' ? (special.exec(this.text) ?? []) : []
    if (all !== undefined) {
      this.at += all.length
      if (kind !== ':') {
        if (name.length !== 1) throw new Malformed()
        return name.charCodeAt(0)
      }
      const is = Object.hasOwn(classes, name) ? classes[name] : undefined
      if (is === undefined || members === null) throw new Malformed()
      for (let code = 0; code < 128; code++) if (is(code)) members[code] = 1
      return null
    }
    const code = this.text.charCodeAt(this.at++)
    if (Number.isNaN(code)) throw new Malformed()
    return code
  }
}

function set(is: (code: number) => boolean): Node {
  return { kind: 'set', set: Uint8Array.from({ length: 256 }, (_, code) => Number(is(code))) }
}

function literal(character: string): Node {
  const code = character.charCodeAt(0)
  return set((other) => other === code)
}

function boundary(kind: 'b' | 'B' | '<' | '>'): (text: string, at: number) => boolean {
  return (text, at) => {
    const before = isWord(text.charCodeAt(at - 1))
    const after = isWord(text.charCodeAt(at))
    if (kind === '<') return !before && after
    if (kind === '>') return before && !after
    return (before !== after) === (kind === 'b')
  }
}

const within = (pattern: RegExp) => (code: number) => pattern.test(String.fromCharCode(code))
const isWord = within(/^[0-9A-Za-z_]$/)
const isSpace = within(/^[ \t-\r]$/)

/** Of ASCII; GRUB has no locale. */
const classes: Readonly<Record<string, (code: number) => boolean>> = {
  digit: within(/^[0-9]$/),
  alpha: within(/^[A-Za-z]$/),
  alnum: within(/^[0-9A-Za-z]$/),
  upper: within(/^[A-Z]$/),
  lower: within(/^[a-z]$/),
  space: isSpace,
  blank: within(/^[ \t]$/),
  xdigit: within(/^[0-9A-Fa-f]$/),
  punct: within(/^[!-/:-@[-`{-~]$/),
  print: within(/^[ -~]$/),
  graph: within(/^[!-~]$/),
  cntrl: (code) => code < 32 || code === 127,
}
