import { closeSync, readSync } from 'node:fs'
import type { DeviceTree, TreeNode } from '../../../device-tree/tree.ts'
import type { MemoryRange } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { hasEfiMap } from '../device-tree/memory.ts'
import { pageSize } from './page-size.ts'

/** The use of each page of memory: Documentation/admin-guide/mm/pagemap.rst. Eight bytes a page. */
const PAGE_FLAGS = '/proc/kpageflags'

/**
 * The controller's tables lie at multiples of this, and are at least this large: LPI_PROPBASE_SZ of
 * drivers/irqchip/irq-gic-v3-its.c.
 */
const TABLE = 65_536

/**
 * Finds the ranges in which tables of the interrupt controller may lie; undefined where there are none to avoid.
 *
 * A GICv3 with LPIs keeps using the tables of the running kernel, and a new kernel that finds their place reserved
 * takes them over (enabled_lpis_allowed of irq-gic-v3-its.c), so no segment may lie there. With EFI they are reserved,
 * and /proc/iomem shows them. Otherwise no file names them, but their pages have no owner: they are neither free nor a
 * program's nor a cache's. Seen under Debian 6.1 and 6.12: a kernel over the tables ends in "write to read-only
 * memory".
 */
export function interruptTables(system: System, tree: DeviceTree): ((range: MemoryRange) => MemoryRange[]) | undefined {
  if (hasEfiMap(tree) || !hasTranslationService(tree.root)) return undefined
  const page = pageSize(system)
  return page === undefined ? undefined : (range) => unownedIn(system, range, page)
}

function hasTranslationService({ properties, children }: TreeNode): boolean {
  return (properties.get('compatible')?.includes('arm,gic-v3-its') ?? false) || children.some(hasTranslationService)
}

/** Aligned parts of a range whose pages all have no owner; none where the kernel does not show its pages. */
function unownedIn(system: System, { start, end }: MemoryRange, page: number): MemoryRange[] {
  const first = Math.floor(start / TABLE) * TABLE
  const flags = readFlags(system, (first / page) * 8, (Math.ceil((end - first) / TABLE) * TABLE * 8) / page)
  const step = (TABLE / page) * 8
  const found: MemoryRange[] = []
  for (let at = 0; at + step <= flags.length; at += step) {
    const address = first + (at / 8) * page
    if (flags.subarray(at, at + step).every((byte) => byte === 0)) found.push({ start: address, end: address + TABLE })
  }
  return found
}

function readFlags(system: System, position: number, length: number): Buffer {
  let fd: number | undefined
  try {
    fd = system.open(PAGE_FLAGS)
    const flags = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const count = readSync(fd, flags, filled, length - filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return flags.subarray(0, filled)
  } catch {
    return Buffer.alloc(0)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
