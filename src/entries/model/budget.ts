import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../../abort.ts'
import type { FoundEntry } from './found-entry.ts'
import { type BootProblem, type BootProblemCode, problemsOf } from './problem.ts'

/**
 * The limits of one discovery, for any contents of the disk: far more than any machine needs, a few seconds and some
 * hundred megabytes.
 */
const limits = {
  /** Commands run, their words, tries of a pattern, files examined. */
  steps: 3_000_000,
  /** Characters of configurations read. */
  characters: 24 * 1024 * 1024,
  /** Characters made from them: command lines and titles with their variables. */
  text: 17 * 1024 * 1024,
  /** Commands and words of scripts kept at a time. */
  statements: 1_500_000,
  /** Entries of all menus. */
  entries: 30_000,
} as const

export type Need = keyof typeof limits

/** Characters of one entry. */
const MAX_ENTRY = 8 * 1024 * 1024

const MAX_PROBLEMS = 1000
const MAX_PROBLEMS_OF_ONE = 100
const MORE = 'There is more like this, which is left out.'
/** Characters of one problem that are kept: it may quote a whole file. */
const MAX_PROBLEM = 1000

/** Milliseconds of work between pauses that let others run. */
const TURN = 50

/** Thrown by `spend` when a budget is used up. The results so far count. */
export class BudgetSpent extends Error {}

/** One for a whole discovery: every reader draws from it, so that many small files are bounded like one large file. */
export class Budget {
  private readonly signal: AbortSignal | undefined
  private readonly left: Record<Need, number> = { ...limits }
  private readonly spent = new Set<Need>()
  private kept: Partial<Record<Need, number>> = {}
  private problems = 0
  private turn = performance.now()

  constructor(signal?: AbortSignal) {
    this.signal = signal
  }

  /** Takes a part of the budget. @returns false when not enough is left: the reader must then stop. */
  take(need: Need, amount = 1): boolean {
    const kept = this.kept[need] ?? 0
    if (this.left[need] - kept >= amount) {
      this.left[need] -= amount
      return true
    }
    // A request that is too large by itself uses up the rest, so that nothing smaller follows it.
    this.left[need] = kept
    this.spent.add(need)
    return false
  }

  /** As `take`, for readers that stop by an exception. @throws BudgetSpent */
  spend(need: Need, amount = 1): void {
    if (!this.take(need, amount)) throw new BudgetSpent()
  }

  /**
   * Keeps a part of the rest for later readers: a script that runs for ever must not hide its earlier results, nor the
   * entries of others.
   * @returns a function that ends that
   */
  keep(part: Partial<Record<Need, number>>): () => void {
    const before = this.kept
    this.kept = { ...before }
    for (const [need, share] of Object.entries(part) as [Need, number][]) {
      const kept = before[need] ?? 0
      this.kept[need] = kept + Math.floor((this.left[need] - kept) * share)
    }
    return () => {
      this.kept = before
    }
  }

  /** Whether anything was left out. */
  get isSpent(): boolean {
    return this.spent.size > 0
  }

  /** Whether further entries still fit. */
  get hasRoom(): boolean {
    return this.has('entries') && this.has('text') && this.has('steps')
  }

  /** Takes the share of an entry; one as large as whole menus is left out by itself. @returns whether it may be kept */
  afford(entry: FoundEntry): boolean {
    const length = lengthOf(entry)
    if (length > MAX_ENTRY) {
      this.spent.add('text')
      this.take('text', Math.ceil(length / 16))
      return false
    }
    return this.take('entries') && this.take('text', length)
  }

  /** The entries made from some items, as many as the budget allows. */
  entriesOf<Item>(items: Iterable<Item>, make: (item: Item) => FoundEntry): FoundEntry[] {
    const entries: FoundEntry[] = []
    for (const item of items) {
      if (!this.hasRoom) break
      const entry = make(item)
      if (this.afford(entry)) entries.push(entry)
    }
    return entries
  }

  /** Whether anything is left; if not, something is left out. */
  has(need: Need): boolean {
    return this.left[need] > (this.kept[need] ?? 0) || this.take(need)
  }

  /** The problems of a list, up to a thousand in all. */
  problemsOf(problems: readonly BootProblem[]): BootProblem[] {
    const room = Math.max(0, MAX_PROBLEMS - this.problems)
    this.problems += problems.length
    return problems.slice(0, room).map(({ code, text }) => ({ code, text: clipped(text) }))
  }

  /** The kinds of input that were left out. */
  get remarks(): BootProblem[] {
    const remarks: string[] = []
    if (this.spent.size > 0)
      remarks.push(
        `There is more to read here than any machine needs (${[...this.spent].map((need) => names[need]).join(', ')}): ` +
          'what was read so far is listed, the rest is left out.',
      )
    if (this.problems > MAX_PROBLEMS) remarks.push(`${this.problems - MAX_PROBLEMS} more problems are left out.`)
    return problemsOf('left-out', remarks)
  }

  /** Lets others run when it is their turn. @throws KexecError 'aborted' once the signal has fired */
  async pause(): Promise<void> {
    if (performance.now() - this.turn < TURN) return
    await setImmediate()
    this.turn = performance.now()
    throwIfAborted(this.signal)
  }
}

/** Adds a problem to the list of one reader, up to the most that anyone reads. */
export function addProblem(problems: BootProblem[], code: BootProblemCode, text: string): void {
  if (problems.length < MAX_PROBLEMS_OF_ONE) problems.push({ code, text: clipped(text) })
  else if (problems.length === MAX_PROBLEMS_OF_ONE) problems.push({ code: 'left-out', text: MORE })
}

/** As `addProblem`, of sentences that all have one code. */
export function addSentence(sentences: string[], text: string): void {
  if (sentences.length < MAX_PROBLEMS_OF_ONE) sentences.push(clipped(text))
  else if (sentences.length === MAX_PROBLEMS_OF_ONE) sentences.push(MORE)
}

function clipped(text: string): string {
  return text.length > MAX_PROBLEM ? `${text.slice(0, MAX_PROBLEM)}…` : text
}

function lengthOf({
  id,
  title,
  submenus = [],
  initrds,
  commandLine,
  problems = [],
  uncertainties = [],
  kernel,
  version,
}: FoundEntry): number {
  let length = id.length + title.length + (commandLine?.length ?? 0) + (kernel?.length ?? 0) + (version?.length ?? 0)
  for (const texts of [submenus, initrds, problems.map(({ text }) => text), uncertainties])
    for (const text of texts) length += text.length + 1
  return length
}

const names: Readonly<Record<Need, string>> = {
  steps: `${limits.steps} steps`,
  characters: `${limits.characters / 1024 ** 2} MiB of text`,
  text: `${limits.text / 1024 ** 2} MiB of command lines and titles`,
  statements: `${limits.statements} commands and words`,
  entries: `${limits.entries} entries`,
}
