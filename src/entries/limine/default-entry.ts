import type { LimineEntry } from './configuration.ts'

/** The target of `default_entry`, or of the last boot. */
export interface Selected {
  /** A directory starts nothing by itself. */
  readonly entry: LimineEntry
  /** To complete 'default_entry 3 in limine.conf …'. */
  readonly how: string
}

/**
 * The selected entry of the menu (common/menu.c). `value` counts lines from 1, without the contents of closed
 * directories; or it is a path, `Directory/Title#1`. Without a match, Limine selects the first line.
 * @param shown the visible entries of the menu, in their order.
 */
export function selectedBy(value: string, shown: readonly LimineEntry[]): Selected | undefined {
  const first = shown[0]
  if (first === undefined) return undefined
  const isNumber = /^\d*$/.test(value)
  const entry = isNumber ? byNumber(Number(value), shown) : byPath(value, shown)
  return entry === undefined
    ? { entry: first, how: 'names none: the first line of the menu' }
    : { entry, how: 'names it' }
}

function byNumber(number: number, shown: readonly LimineEntry[]): LimineEntry | undefined {
  let count = 0
  let closedBelow = Number.POSITIVE_INFINITY
  for (const entry of shown) {
    if (entry.depth > closedBelow) continue
    closedBelow = entry.hasChildren && !entry.isExpanded ? entry.depth : Number.POSITIVE_INFINITY
    // 0 counts as 1.
    if (++count === Math.max(number, 1)) return entry
  }
  return undefined
}

/** Among siblings with one title `#N` counts the further ones; a backslash makes `/`, `#` and itself literal. */
function byPath(path: string, shown: readonly LimineEntry[]): LimineEntry | undefined {
  const steps = stepsOf(path)
  let from = 0
  let end = shown.length
  for (const [index, { title, skip }] of steps.entries()) {
    const isLast = index === steps.length - 1
    const depth = index + 1
    let left = skip
    const at = shown.findIndex(
      (entry, position) =>
        position >= from && position < end && entry.depth === depth && entry.title === title && left-- === 0,
    )
    const found = shown[at]
    if (found === undefined || found.hasChildren === isLast) return undefined
    if (isLast) return found
    from = at + 1
    const next = shown.findIndex((entry, position) => position >= from && entry.depth <= depth)
    end = next < 0 ? shown.length : next
  }
  return undefined
}

interface Step {
  readonly title: string
  readonly skip: number
}

function stepsOf(path: string): Step[] {
  const steps: Step[] = []
  // A step: characters, each plain or behind a backslash.
  for (const step of path.slice(0, 4096).match(/(?:\\.|[^/\\])+/g) ?? []) {
    const [, plain = step, digits = '0'] = /^(.*[^\\])#(\d{1,9})$/.exec(step) ?? []
    steps.push({ title: plain.replace(/\\(.)/g, '$1'), skip: Number(digits) })
  }
  return steps
}
