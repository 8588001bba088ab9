import { agreed, not, type Truth } from '../script/values.ts'

/** The file properties that `test` checks. */
export interface TestedFiles {
  /** `-e`, `-f`, `-d` and `-s` of a path as GRUB names it. */
  test(operator: 'e' | 'f' | 'd' | 's', path: string): Truth
  /** Whether an empty word stands for an unknown text. */
  readonly emptyIsSomething?: boolean
}

/** Parentheses deeper than this are taken for a mistake. */
const MAX_DEPTH = 50

const numeric: Record<string, (one: bigint, other: bigint) => boolean> = {
  '-eq': (one, other) => one === other,
  '-ne': (one, other) => one !== other,
  '-lt': (one, other) => one < other,
  '-le': (one, other) => one <= other,
  '-gt': (one, other) => one > other,
  '-ge': (one, other) => one >= other,
}

const textual: Record<string, (one: string, other: string) => boolean> = {
  '=': (one, other) => one === other,
  '==': (one, other) => one === other,
  '!=': (one, other) => one !== other,
  '<': (one, other) => one < other,
  '<=': (one, other) => one <= other,
  '>': (one, other) => one > other,
  '>=': (one, other) => one >= other,
}

/** GRUB's `test`, whose operators the manual lists under "test". `-a` binds tighter than `-o`. */
export function test(words: readonly string[], files: TestedFiles): Truth {
  return new Expression(words, files).value()
}

class Expression {
  private readonly words: readonly string[]
  private readonly files: TestedFiles
  private at = 0
  private depth = 0

  constructor(words: readonly string[], files: TestedFiles) {
    this.words = words
    this.files = files
  }

  value(): Truth {
    // `[ $unset ]`: an empty test is true.
    return this.words.length === 0 || this.alternatives()
  }

  private alternatives(): Truth {
    let result = this.conjunction()
    while (this.words[this.at] === '-o') {
      this.at++
      result = or(result, this.conjunction())
    }
    return result
  }

  private conjunction(): Truth {
    let result: Truth = this.negation()
    while (this.at < this.words.length && this.words[this.at] !== '-o' && this.words[this.at] !== ')') {
      // Operands without an operator between them count as if -a stood there.
      if (this.words[this.at] === '-a') this.at++
      result = not(or(not(result), not(this.negation())))
    }
    return result
  }

  private negation(): Truth {
    let isNegated = false
    while (this.words[this.at] === '!') {
      isNegated = !isNegated
      this.at++
    }
    // Where an operand is missing, GRUB keeps its initial result, which is true.
    if (this.at >= this.words.length) return true
    const result = this.primary()
    return isNegated ? not(result) : result
  }

  private primary(): Truth {
    const [one, operator, other] = this.words.slice(this.at, this.at + 3)
    if (one === undefined) return false
    if (operator !== undefined && other !== undefined) {
      const result = this.compare(one, operator, other)
      if (result !== undefined) {
        this.at += 3
        return result
      }
    }
    if (operator !== undefined && /^-[edfsnz]$/.test(one)) {
      this.at += 2
      if (one === '-n') return this.isSomething(operator)
      if (one === '-z') return !this.isSomething(operator)
      return this.files.test(one[1] as 'e', operator)
    }
    this.at++
    if (one === '(' && this.depth < MAX_DEPTH) {
      this.depth++
      const result = this.alternatives()
      this.depth--
      if (this.words[this.at] === ')') this.at++
      return result
    }
    return this.isSomething(one)
  }

  private isSomething(word: string): boolean {
    return word !== '' || this.files.emptyIsSomething === true
  }

  private compare(one: string, operator: string, other: string): Truth | undefined {
    const result = compare(one, operator, other)
    if (this.files.emptyIsSomething !== true || (one !== '' && other !== '')) return result
    if (operator === '=' || operator === '==') return false
    return operator === '!=' ? true : result
  }
}

function compare(one: string, operator: string, other: string): Truth | undefined {
  if (Object.hasOwn(textual, operator)) return textual[operator]?.(one, other)
  if (Object.hasOwn(numeric, operator)) return numeric[operator]?.(integer(one), integer(other))
  if (operator === '-pgt' || operator === '-plt') {
    const from = commonPrefix(one, other)
    const [a, b] = [integer(one.slice(from)), integer(other.slice(from))]
    return operator === '-pgt' ? a > b : a < b
  }
  // File times, which copying a tree changes.
  if (/^-[no]t-?\d*$/.test(operator)) return 'unknown'
  return undefined
}

/** Where the numbers that distinguish two names begin: behind their common beginning, without splitting a number. */
function commonPrefix(one: string, other: string): number {
  let end = 0
  while (end < one.length && one[end] === other[end]) end++
  while (end > 1 && /\d/.test(one[end - 1] as string)) end--
  return end
}

/** As strtol reads: a text that begins with no number is 0. */
function integer(text: string): bigint {
  const [, sign, hex, octal, decimal] = /^\s*([+-]?)(?:0x([0-9a-f]{1,16})|0([0-7]{1,22})|(\d{1,19}))/i.exec(text) ?? []
  const digits = hex !== undefined ? `0x${hex}` : octal !== undefined ? `0o${octal}` : (decimal ?? '0')
  return sign === '-' ? -BigInt(digits) : BigInt(digits)
}

function or(one: Truth, other: Truth): Truth {
  if (one === true || other === true) return true
  return agreed([one, other])
}
