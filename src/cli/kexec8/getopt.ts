/** Whether an option takes a value: `--name=VALUE`, or for 'required' also the next word. */
export type ValueRule = 'none' | 'required' | 'optional'

/** One option, as getopt_long(3) knows it. */
export interface OptionSpecification {
  readonly name: string
  readonly letter?: string
  readonly value: ValueRule
  /** Its meaning. Options of one meaning are synonyms, and an abbreviation of several of them is not ambiguous. */
  readonly meaning: string
}

/** One option as it was given. */
export interface GivenOption {
  readonly meaning: string
  readonly value: string | null
  /** Its full name, for messages: '--append', '-l'. */
  readonly name: string
}

/** A command line, read up to its first fault. */
export interface ReadWords {
  /** In their order, up to the wrong one: options before it count, as in getopt. */
  readonly options: readonly GivenOption[]
  readonly operands: readonly string[]
  /** The fault, as a sentence; null when there is none. */
  readonly problem: string | null
}

/**
 * Reads words as GNU getopt_long(3) does: long options may be abbreviated unless ambiguous, letters may be bundled
 * (`-lt TYPE`), operands may stand between options, `--` ends the options, and a required value is the next word, even
 * one that looks like an option.
 * @param posixly as with POSIXLY_CORRECT in the environment: the first operand ends the options
 */
export function readWords(
  words: readonly string[],
  specifications: readonly OptionSpecification[],
  posixly = false,
): ReadWords {
  const options: GivenOption[] = []
  const operands: string[] = []
  for (let index = 0; index < words.length; ) {
    const word = words[index] as string
    const rest = words.slice(index + 1)
    if (word === '--') return { options, operands: [...operands, ...rest], problem: null }
    if (!word.startsWith('-') || word === '-') {
      if (posixly) return { options, operands: [...operands, word, ...rest], problem: null }
      operands.push(word)
      index++
      continue
    }
    const { given, taken, problem } = word.startsWith('--')
      ? readLong(word, rest, specifications)
      : readLetters(word, rest, specifications)
    options.push(...given)
    if (problem !== null) return { options, operands, problem }
    index += taken
  }
  return { options, operands, problem: null }
}

interface Reading {
  readonly given: readonly GivenOption[]
  /** The number of words it took. */
  readonly taken: number
  readonly problem: string | null
}

const wrong = (problem: string, given: readonly GivenOption[] = []): Reading => ({ given, taken: 0, problem })

function readLong(word: string, rest: readonly string[], specifications: readonly OptionSpecification[]): Reading {
  const equals = word.indexOf('=')
  const written = equals === -1 ? word.slice(2) : word.slice(2, equals)
  const inline = equals === -1 ? null : word.slice(equals + 1)
  const candidates = matching(written, specifications)
  const [specification, other] = candidates
  if (specification === undefined) return wrong(`there is no option --${written}`)
  if (other !== undefined) {
    return wrong(`--${written} could be ${candidates.map(({ name }) => `--${name}`).join(', ')}: write it in full`)
  }
  const { value: rule, meaning } = specification
  const name = `--${specification.name}`
  if (inline !== null && rule === 'none') return wrong(`${name} takes no value`)
  if (inline !== null || rule !== 'required')
    return { given: [{ meaning, value: inline, name }], taken: 1, problem: null }
  const [next] = rest
  if (next === undefined) return wrong(`${name} needs a value`)
  return { given: [{ meaning, value: next, name }], taken: 2, problem: null }
}

/** The option of that name, else those that begin so: one of each meaning, since synonyms are not ambiguous. */
function matching(written: string, specifications: readonly OptionSpecification[]): OptionSpecification[] {
  const exact = specifications.find(({ name }) => name === written)
  if (exact !== undefined) return [exact]
  const begun = specifications.filter(({ name }) => name.startsWith(written))
  return begun.filter(({ meaning }, index) => begun.findIndex((earlier) => earlier.meaning === meaning) === index)
}

/** A bundle of letters; a letter with a value takes the rest of the word, or else the next word. */
function readLetters(word: string, rest: readonly string[], specifications: readonly OptionSpecification[]): Reading {
  const given: GivenOption[] = []
  const letters = [...word.slice(1)]
  for (const [index, letter] of letters.entries()) {
    const specification = specifications.find((each) => each.letter === letter)
    if (specification === undefined) return wrong(`there is no option -${letter}`, given)
    const { meaning, value: rule } = specification
    const name = `-${letter}`
    const tail = letters.slice(index + 1).join('')
    if (rule === 'none') {
      given.push({ meaning, value: null, name })
    } else if (tail !== '' || rule === 'optional') {
      return { given: [...given, { meaning, value: tail === '' ? null : tail, name }], taken: 1, problem: null }
    } else {
      const [next] = rest
      if (next === undefined) return wrong(`${name} needs a value`, given)
      return { given: [...given, { meaning, value: next, name }], taken: 2, problem: null }
    }
  }
  return { given, taken: 1, problem: null }
}
