/** A range of physical memory, bytes; `end` is the first byte behind it. */
export interface MemoryRange {
  readonly start: number
  readonly end: number
}

/** The parts of `ranges` that none of `others` touches. Ascending, as `ranges` are. */
export function without(ranges: readonly MemoryRange[], others: readonly MemoryRange[]): MemoryRange[] {
  const sorted = [...others].sort((a, b) => a.start - b.start)
  return ranges.flatMap((range) => {
    const left: MemoryRange[] = []
    let { start } = range
    for (const other of sorted) {
      if (other.end <= start) continue
      if (other.start >= range.end) break
      if (other.start > start) left.push({ start, end: other.start })
      start = other.end
    }
    if (start < range.end) left.push({ start, end: range.end })
    return left
  })
}

/** The memory in both lists. */
export function within(ranges: readonly MemoryRange[], others: readonly MemoryRange[]): MemoryRange[] {
  const sorted = [...others].sort((a, b) => a.start - b.start)
  return ranges.flatMap((range) =>
    sorted
      .map((other) => ({ start: Math.max(range.start, other.start), end: Math.min(range.end, other.end) }))
      .filter(({ start, end }) => start < end),
  )
}

/** The same memory in as few ranges as possible, ascending. */
export function merged(ranges: readonly MemoryRange[]): MemoryRange[] {
  const result: MemoryRange[] = []
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1)
    if (last !== undefined && range.start <= last.end) {
      result[result.length - 1] = { start: last.start, end: Math.max(last.end, range.end) }
    } else result.push({ start: range.start, end: range.end })
  }
  return result
}

/** Each range reduced to whole pages; empty results are left out. */
export function wholePages(ranges: readonly MemoryRange[], page: number): MemoryRange[] {
  return ranges
    .map(({ start, end }) => ({ start: roundUp(start, page), end: Math.floor(end / page) * page }))
    .filter(({ start, end }) => start < end)
}

/** The next multiple of `step`, computed without bit operators, since addresses have more than 32 bits. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
