import { cellsOf, type DeviceTree, type TreeNode, textOf } from '../../../device-tree/tree.ts'
import type { MemoryRange } from '../../../system/memory-ranges.ts'

/** For EFI machines, whose memory map is elsewhere: drivers/firmware/efi/fdtparams.c. */
const EFI_MAP = 'linux,uefi-mmap-start'

/** Whether EFI's memory map counts in place of the tree's memory nodes. */
export function hasEfiMap({ root }: DeviceTree): boolean {
  return root.children.some(({ name, properties }) => name.startsWith('chosen') && properties.has(EFI_MAP))
}

/** The memory nodes, by the kernel's own rule (early_init_dt_scan_memory of drivers/of/fdt.c). */
export function memoryNodes({ root }: Pick<DeviceTree, 'root'>): TreeNode[] {
  return root.children.filter(({ properties }) => properties.get('device_type')?.equals(textOf('memory')) ?? false)
}

/** The memory that a kernel with this tree would use; empty where the tree names none. */
export function memoryRanges(tree: DeviceTree): MemoryRange[] {
  return memoryNodes(tree).flatMap((node) => {
    const name = node.properties.has('linux,usable-memory') ? 'linux,usable-memory' : 'reg'
    return rangesOf(node, name, tree.root)
  })
}

/** The memory that a kernel with this tree leaves alone, or gives to a device. */
export function reservedRanges(tree: DeviceTree): MemoryRange[] {
  const listed = tree.reservations.flatMap(({ address, size }) => rangeOf(address, size) ?? [])
  const nodes = tree.root.children.filter(({ name }) => name === 'reserved-memory')
  return [...listed, ...nodes.flatMap((node) => node.children.flatMap((child) => rangesOf(child, 'reg', node)))]
}

/** The ranges of a property, in the parent's cells; none where they make no sense. */
function rangesOf(node: TreeNode, property: string, parent: TreeNode): MemoryRange[] {
  const value = node.properties.get(property) ?? Buffer.alloc(0)
  const [addressCells, sizeCells] = cellsBelow(parent)
  if (!isWidth(addressCells) || !isWidth(sizeCells)) return []
  const number = (at: number, count: number) =>
    count === 1 ? BigInt(value.readUInt32BE(at)) : value.readBigUInt64BE(at)
  const step = (addressCells + sizeCells) * 4
  const ranges: MemoryRange[] = []
  for (let at = 0; at + step <= value.length; at += step) {
    const range = rangeOf(number(at, addressCells), number(at + addressCells * 4, sizeCells))
    if (range !== undefined) ranges.push(range)
  }
  return ranges
}

/** A memory node, in the root's cells; undefined where they cannot hold its numbers. */
export function memoryNode(range: MemoryRange, root: TreeNode): TreeNode | undefined {
  const reg = rangesIn([range], root)
  if (reg === undefined) return undefined
  const properties = new Map([
    ['device_type', textOf('memory')],
    ['reg', reg],
  ])
  return { name: `memory@${range.start.toString(16)}`, properties, children: [] }
}

/** Ranges in the cells of a node for its children; undefined where they cannot hold the numbers. */
export function rangesIn(ranges: readonly MemoryRange[], node: TreeNode): Buffer | undefined {
  const widths = cellsBelow(node)
  const numbers = ranges.flatMap(({ start, end }) => [start, end - start])
  const parts = numbers.flatMap((number, index) => {
    const width = widths[index % 2]
    if (width === 2) return [cellsOf(number)]
    return width === 1 && number < 2 ** 32 ? [cellsOf(number).subarray(4)] : []
  })
  return parts.length < numbers.length ? undefined : Buffer.concat(parts)
}

function cellsBelow(parent: TreeNode): [address: number, size: number] {
  return [cells(parent, '#address-cells', 2), cells(parent, '#size-cells', 1)]
}

function isWidth(count: number): boolean {
  return count === 1 || count === 2
}

/** Devicetree Specification, 2.3.5: the defaults where the parent has none. */
function cells({ properties }: TreeNode, name: string, otherwise: number): number {
  const value = properties.get(name)
  return value?.length === 4 ? value.readUInt32BE(0) : otherwise
}

/** Undefined for an empty range, and for one that no machine has. */
function rangeOf(address: bigint, size: bigint): MemoryRange | undefined {
  const [start, end] = [Number(address), Number(address + size)]
  return size > 0n && Number.isSafeInteger(end) ? { start, end } : undefined
}
