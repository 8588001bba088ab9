import { compilePattern, type Instruction } from './pattern-program.ts'

/** Work of one match, positions times instructions: two seconds, and two megabytes. */
const MAX_WORK = 16 * 1024 * 1024

/** The match of each group; undefined for one that took no part. The first is the whole match. */
export type Groups = readonly (string | undefined)[]

/**
 * Matches a POSIX extended regular expression as GRUB's `regexp` does, through gnulib's regcomp and regexec: the
 * leftmost match, of these the longest, in time bounded by pattern times text.
 * @param afford called with the work of a match; when it returns false, the match is not tried
 * @returns its groups; null when it does not match, or is not an expression; undefined when unknown: it refers back to
 *   a group, or is too long.
 */
export function matchPattern(
  pattern: string,
  text: string,
  afford: (work: number) => boolean = (work) => work <= MAX_WORK,
): Groups | null | undefined {
  // GRUB compares bytes.
  const [expression, subject] = [pattern, text].map((each) => Buffer.from(each).toString('latin1')) as [string, string]
  const program = compilePattern(expression)
  if (program === null || program === undefined) return program
  const work = program.length * (subject.length + 1)
  if (work > MAX_WORK || !afford(work)) return undefined
  const place = longestMatch(program, subject)
  if (place === null) return null
  return groupsOf(program, subject, place).map((group) =>
    group === undefined ? undefined : Buffer.from(group, 'latin1').toString(),
  )
}

interface Place {
  readonly start: number
  readonly end: number
}

/** A thread of a match: its instruction, and where it began. */
interface Thread {
  readonly index: number
  readonly start: number
}

/** The leftmost longest match: all threads of the program at once, one character after the other, the leftmost first. */
function longestMatch(program: readonly Instruction[], text: string): Place | null {
  const lastSeen = new Int32Array(program.length).fill(-1)
  let threads: Thread[] = []
  let found: Place | null = null
  for (let at = 0; ; at++) {
    // Threads that have read a character stand before the one that begins here.
    const now: Thread[] = []
    for (const { index, start } of threads) enter(program, lastSeen, now, { index, start }, at, text)
    if (found === null) enter(program, lastSeen, now, { index: 0, start: at }, at, text)
    threads = []
    const code = text.charCodeAt(at)
    for (const { index, start } of now) {
      if (found !== null && start > found.start) break
      const instruction = program[index] as Instruction
      if (instruction.kind === 'match') found = { start, end: at }
      else if (instruction.kind === 'set' && at < text.length && instruction.set[code] === 1)
        threads.push({ index: index + 1, start })
    }
    if (at >= text.length || (found !== null && threads.length === 0)) return found
  }
}

/** Runs a thread up to where it needs a character, unless one that began no later was there. */
function enter(
  program: readonly Instruction[],
  lastSeen: Int32Array,
  threads: Thread[],
  { index: first, start }: Thread,
  at: number,
  text: string,
): void {
  const pending = [first]
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    if (lastSeen[index] === at) continue
    lastSeen[index] = at
    const instruction = program[index] as Instruction
    if (instruction.kind === 'split') pending.push(instruction.second, instruction.first)
    else if (instruction.kind === 'jump') pending.push(instruction.to)
    else if (instruction.kind === 'set' || instruction.kind === 'match') threads.push({ index, start })
    else if (instruction.kind !== 'assert' || instruction.holds(text, at)) pending.push(index + 1)
  }
}

/** Paths yet to be tried, and the value of a group before a try changed it. */
type Step = { readonly index: number; readonly at: number } | { readonly slot: number; readonly before: number }

/**
 * The groups of a match with this beginning and end: of all ways the first that leads to its end, earlier alternatives
 * and more repetitions first, as in gnulib. No place of the text is tried twice at an instruction.
 */
function groupsOf(program: readonly Instruction[], text: string, { start, end }: Place): (string | undefined)[] {
  const width = end - start + 1
  const seen = new Uint8Array(Math.ceil((program.length * width) / 8))
  const slots: number[] = [start, end]
  const marks: number[] = []
  const pending: Step[] = [{ index: 0, at: start }]
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if ('slot' in step) {
      slots[step.slot] = step.before
      continue
    }
    let { index, at } = step
    for (;;) {
      const bit = index * width + (at - start)
      if (((seen[bit >> 3] as number) >> (bit & 7)) & 1) break
      seen[bit >> 3] = (seen[bit >> 3] as number) | (1 << (bit & 7))
      const instruction = program[index] as Instruction
      if (instruction.kind === 'match') {
        if (at === end) return textsOf(program, slots, text)
        break
      }
      if (instruction.kind === 'split') {
        pending.push({ index: instruction.second, at })
        index = instruction.first
      } else if (instruction.kind === 'jump') index = instruction.to
      else if (instruction.kind === 'save') {
        pending.push({ slot: instruction.slot, before: slots[instruction.slot] ?? -1 })
        slots[instruction.slot] = at
        index++
      } else if (instruction.kind === 'mark') {
        marks[instruction.mark] = at
        index++
      } else if (instruction.kind === 'advance') {
        if (marks[instruction.mark] === at) break
        index++
      } else if (instruction.kind === 'assert') {
        if (!instruction.holds(text, at)) break
        index++
      } else {
        if (at >= end || instruction.set[text.charCodeAt(at)] !== 1) break
        index++
        at++
      }
    }
  }
  return [text.slice(start, end)]
}

function textsOf(program: readonly Instruction[], slots: readonly number[], text: string): (string | undefined)[] {
  let groups = 1
  for (const instruction of program)
    if (instruction.kind === 'save') groups = Math.max(groups, (instruction.slot >> 1) + 1)
  return Array.from({ length: groups }, (_, group) => {
    const [from, to] = [slots[2 * group] ?? -1, slots[2 * group + 1] ?? -1]
    return from < 0 || to < from ? undefined : text.slice(from, to)
  })
}
