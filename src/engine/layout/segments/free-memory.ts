import { closeSync, readSync } from 'node:fs'
import type { MemoryRange } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'

/** The use of each page of memory, eight bytes a page: Documentation/admin-guide/mm/pagemap.rst. For root only. */
const PAGE_FLAGS = '/proc/kpageflags'

const ENTRY = 8

/** KPF_BUDDY: the page is free. */
const FREE = 1 << 10

/** Read at a time, bytes. */
const CHUNK = 4 * 2 ** 20

/**
 * The most pages that are read: 32 GiB of 4 KiB, which take a third of a second. The memory behind them is no better.
 */
const MOST_PAGES = 8 * 2 ** 20

/**
 * The longest range of memory that is free at this moment, of those given; null where the kernel does not show it.
 * @param page the kernel's page size
 */
export function longestFreeRange(system: System, ranges: readonly MemoryRange[], page: number): MemoryRange | null {
  let fd: number | undefined
  try {
    fd = system.open(PAGE_FLAGS)
    let longest: MemoryRange | null = null
    let left = MOST_PAGES
    for (const { start, end } of ranges) {
      const [first, last] = [start / page, Math.min(end / page, start / page + left)]
      left -= last - first
      const found = longestRun(fd, first, last)
      const length = longest === null ? 0 : (longest.end - longest.start) / page
      if (found.end - found.start > length) longest = { start: found.start * page, end: found.end * page }
    }
    return longest
  } catch {
    return null
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** The longest run of free pages among those from the first to before the last, by their numbers. */
function longestRun(fd: number, first: number, last: number): MemoryRange {
  const flags = Buffer.alloc(CHUNK)
  let longest = { start: first, end: first }
  let run = first
  for (let at = first; at < last; ) {
    const wanted = Math.min(CHUNK, (last - at) * ENTRY)
    const count = readSync(fd, flags, 0, wanted, at * ENTRY)
    if (count < ENTRY) break
    for (let offset = 0; offset + ENTRY <= count; offset += ENTRY, at++) {
      if ((flags.readUInt32LE(offset) & FREE) === 0) run = at + 1
      else if (at + 1 - run > longest.end - longest.start) longest = { start: run, end: at + 1 }
    }
  }
  return longest
}
