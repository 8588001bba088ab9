import { bytesOfText } from '../exact-text.ts'

/** A device tree that can be changed: Devicetree Specification, chapters 2 and 5. */
export interface DeviceTree {
  /** Memory that the kernel must leave alone; the block before the structure. */
  readonly reservations: MemoryReservation[]
  /** Physical id of the processor that boots. */
  readonly bootProcessor: number
  /** Names of properties as the blob had them, in sequence, so that unchanged ones need not move. */
  readonly names: Buffer
  readonly root: TreeNode
}

/** Bytes; 64 bits each, as firmware may have values beyond the exact range of numbers. */
export interface MemoryReservation {
  readonly address: bigint
  readonly size: bigint
}

export interface TreeNode<Value = Buffer> {
  /** With its unit address: 'memory@40000000'. The root's is ''. */
  readonly name: string
  readonly properties: Map<string, Value>
  readonly children: TreeNode<Value>[]
}

/** Depth of the kernel's own reader: FDT_MAX_DEPTH of drivers/of/fdt.c. */
export const MAX_DEPTH = 64

/** The child of this name, which is created when it is missing. */
export function childNamed(node: TreeNode, name: string): TreeNode {
  const known = node.children.find((child) => child.name === name)
  if (known !== undefined) return known
  const made: TreeNode = { name, properties: new Map(), children: [] }
  node.children.push(made)
  return made
}

/** Where the firmware and the running kernel pass values to the new one: '/chosen', in old trees '/chosen@0'. */
export function chosenNode({ root }: DeviceTree): TreeNode {
  return root.children.find(({ name }) => name === 'chosen@0') ?? childNamed(root, 'chosen')
}

/** A number of one or two cells; undefined for anything else. */
export function addressIn(node: TreeNode, property: string): bigint | undefined {
  const value = node.properties.get(property)
  if (value?.length === 4) return BigInt(value.readUInt32BE(0))
  return value?.length === 8 ? value.readBigUInt64BE(0) : undefined
}

/** Two cells. */
export function cellsOf(...numbers: readonly (bigint | number)[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 8)
  for (const [index, number] of numbers.entries()) bytes.writeBigUInt64BE(BigInt(number), index * 8)
  return bytes
}

/** A text in a tree's form, with its NUL. */
export function textOf(text: string): Buffer {
  return bytesOfText(`${text}\0`)
}
