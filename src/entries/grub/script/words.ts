import type { Word } from './syntax.ts'
import { candidatesOf, isUnsure, type Value } from './values.ts'

/**
 * Longest argument, in characters; GRUB's own memory ends before. Some scripts double a variable until something
 * breaks.
 */
const MAX_ARGUMENT = 16 * 1024

/** The most readings of words with unknown variables that are tried. */
const MAX_ALTERNATIVES = 16

/** The meaning of words: one list of arguments, or several when variables are unknown. */
export interface Expansion {
  /** At least one, the likeliest first. */
  readonly alternatives: readonly (readonly string[])[]
  /** The dependency that decides between them; null when there is only one. */
  readonly why: string | null
  /** The unknown variable, when there is only one, with its candidate for each alternative. */
  readonly unsure: { readonly name: string; readonly candidates: readonly string[] } | null
}

/** Characters that take as long as one step. */
const CHARACTERS_OF_A_STEP = 64

export interface Variables {
  /** Takes steps, for arguments as they are made. */
  spend(steps: number): void
  get(name: string): Value | undefined
  /** `$1`, `$2`, …; `$@`, `$*`, `$#` are made of them. */
  readonly positional: readonly string[] | null
  /** The files that a word with wildcards stands for; null when it is literal. */
  readonly glob: ((pattern: string) => readonly string[]) | null
}

/** Replaces variables by their values, and splits unquoted text at blanks (GRUB manual, "Variable expansion"). */
export function expand(words: readonly Word[], variables: Variables): Expansion {
  const unknown = new Map<string, { candidates: readonly string[]; why: string }>()
  for (const { parts } of words) {
    for (const { kind, text } of parts) {
      const value = kind === 'variable' ? variables.get(text) : undefined
      if (isUnsure(value)) unknown.set(text, value)
    }
  }
  if (unknown.size === 0) return { alternatives: [argumentsOf(words, variables, new Map())], why: null, unsure: null }
  const alternatives = combinations(unknown).map((chosen) => argumentsOf(words, variables, chosen))
  const [[name, { candidates, why }]] = [...unknown] as [[string, { candidates: readonly string[]; why: string }]]
  const isSame = alternatives.every((other) => other.join('\0') === alternatives[0]?.join('\0'))
  if (isSame) return { alternatives: alternatives.slice(0, 1), why: candidates.length > 1 ? null : why, unsure: null }
  return { alternatives, why, unsure: unknown.size === 1 ? { name, candidates } : null }
}

function combinations(unknown: ReadonlyMap<string, { candidates: readonly string[] }>): Map<string, string>[] {
  let all = [new Map<string, string>()]
  for (const [name, { candidates }] of unknown) {
    all = all.flatMap((chosen) => candidates.map((candidate) => new Map(chosen).set(name, candidate)))
    all.length = Math.min(all.length, MAX_ALTERNATIVES)
  }
  return all
}

function argumentsOf(words: readonly Word[], variables: Variables, chosen: ReadonlyMap<string, string>): string[] {
  const made: string[] = []
  for (const word of words) {
    const found = globbed(word, argumentsOfWord(word, variables, chosen), variables)
    for (const argument of found) made.push(argument)
  }
  return made
}

function globbed(word: Word, found: string[], variables: Variables): readonly string[] {
  const [pattern] = found
  if (variables.glob === null || pattern === undefined || found.length > 1 || !hasWildcard(word)) return found
  const files = variables.glob(pattern)
  return files.length > 0 ? files : found
}

function hasWildcard({ parts }: Word): boolean {
  return parts.some(({ kind, text, isQuoted }) => kind === 'text' && !isQuoted && /[*?]/.test(text))
}

function argumentsOfWord({ parts }: Word, variables: Variables, chosen: ReadonlyMap<string, string>): string[] {
  const [only] = parts
  variables.spend(parts.length)
  if (parts.length === 1 && only?.kind === 'text') return [only.text]
  const finished: string[] = []
  let current: string | undefined
  const append = (text: string) => {
    variables.spend(1 + Math.floor(text.length / CHARACTERS_OF_A_STEP))
    current = (current ?? '') + text
    if (current.length > MAX_ARGUMENT) current = current.slice(0, MAX_ARGUMENT)
  }
  for (const { kind, text, isQuoted } of parts) {
    if (kind === 'text') {
      append(text)
      continue
    }
    if (text === '@' && isQuoted) {
      // "$@" keeps the arguments apart, even with blanks in them.
      variables.positional?.forEach((argument, index) => {
        if (index > 0 && current !== undefined) {
          finished.push(current)
          current = undefined
        }
        append(argument)
      })
      continue
    }
    const value = variableValue(text, variables, chosen)
    if (isQuoted) {
      append(value)
      continue
    }
    // Blanks separate the pieces of one value; at its ends they do not separate it from its neighbours.
    variables.spend(Math.floor(value.length / CHARACTERS_OF_A_STEP))
    value.split(/[ \t\n\v\f\r]+/).forEach((piece, index, pieces) => {
      if (piece === '') return
      if (index > 0 && pieces[index - 1] !== '' && current !== undefined) {
        finished.push(current)
        current = undefined
      }
      append(piece)
    })
  }
  if (current !== undefined) finished.push(current)
  return finished
}

function variableValue(
  name: string,
  { get, positional, spend }: Variables,
  chosen: ReadonlyMap<string, string>,
): string {
  if (name === '#') return positional === null ? '' : String(positional.length)
  if (name === '@' || name === '*') return joined(positional ?? [], spend)
  if (/^\d+$/.test(name)) return name === '0' ? '' : (positional?.[Number(name) - 1] ?? '')
  return chosen.get(name) ?? candidatesOf(get(name))[0] ?? ''
}

function joined(texts: readonly string[], spend: Variables['spend']): string {
  let length = 0
  for (const text of texts) length += text.length
  spend(texts.length + Math.floor(length / CHARACTERS_OF_A_STEP))
  return texts.join(' ')
}
