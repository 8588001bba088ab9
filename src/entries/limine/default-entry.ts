import type { LimineEntry } from './configuration.ts'

/** What `default_entry`, or what was booted last, leads to. */
export interface Selected {
  /** A directory starts nothing by itself. */
  readonly entry: LimineEntry
  /** To complete 'default_entry 3 in limine.conf …'. */
  readonly how: string
}

/**
 * The entry that stands selected when the menu is shown (common/menu.c): `value` counts its lines from 1, what closed
 * directories hold left out; or it is a path, `Directory/Title#1`. Limine goes to the first line when there is no such one.
 * @param shown the entries that the menu shows, in their order.
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
    // 0 is taken for 1.
    if (++count === Math.max(number, 1)) return entry
  }
  return undefined
}

/** Of siblings with one title `#N` counts the further ones; a backslash keeps `/`, `#` and itself from meaning anything. */
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
  // A step: characters, each a plain one or one behind a backslash.
  for (const step of path.slice(0, 4096).match(/(?:\\.|[^/\\])+/g) ?? []) {
    const [, plain = step, digits = '0'] = /^(.*[^\\])#(\d{1,9})$/.exec(step) ?? []
    steps.push({ title: plain.replace(/\\(.)/g, '$1'), skip: Number(digits) })
  }
  return steps
}
