import type { ByteSource } from './bytes.ts'

/** A node of a flattened device tree. Values stay where they are, as FIT images hold whole kernels in them. */
export interface FdtNode {
  readonly name: string
  readonly properties: ReadonlyMap<string, FdtValue>
  readonly children: readonly FdtNode[]
}

/** Where a property's value lies in the file. */
export interface FdtValue {
  readonly offset: number
  readonly size: number
}

export interface Fdt {
  readonly root: FdtNode
  /** Of the tree by its header, bytes. */
  readonly size: number
  /** What is wrong with it, or null; what lies before the fault is in `root`. */
  readonly problem: string | null
}

const HEADER = 40
const MAX_NODES = 4096
const MAX_PROPERTIES = 65536
const MAX_DEPTH = 32
const MAX_NAME = 256
/** Longest strings block and text value that are read, bytes. */
const MAX_STRINGS = 1 << 20
const MAX_TEXT = 4096
const token = { beginNode: 1, endNode: 2, property: 3, nothing: 4, end: 9 } as const

interface Growing {
  name: string
  properties: Map<string, FdtValue>
  children: Growing[]
}

/**
 * Reads a device tree: Devicetree Specification, "Flattened Devicetree (DTB) Format". Reads names and numbers only, no values.
 * A tree that is cut off, as a file's head is, is read up to there.
 * @returns undefined when `source` does not begin with a device tree's header
 */
export function readFdt(source: ByteSource): Fdt | undefined {
  const head = source.read(0, HEADER)
  if (head.length < HEADER || head.readUInt32BE(0) !== 0xd00dfeed) return undefined
  const size = head.readUInt32BE(4)
  const strings = source.read(head.readUInt32BE(12), Math.min(head.readUInt32BE(32), MAX_STRINGS))
  const structure = head.readUInt32BE(8)
  const root: Growing = { name: '', properties: new Map(), children: [] }
  const end = Math.min(source.size, structure + head.readUInt32BE(36))
  return { root, size, problem: walk(source, structure, end, strings, root) }
}

/** Fills `root` with what the structure block tells. Returns what stopped it, or null. */
function walk(source: ByteSource, start: number, end: number, strings: Buffer, root: Growing): string | null {
  const path: Growing[] = []
  let [offset, nodes, properties, fillings] = [start, 0, 0, 0]
  while (offset + 4 <= end) {
    const at = offset
    const bytes = source.read(at, 4)
    if (bytes.length < 4) break
    const kind = bytes.readUInt32BE(0)
    offset += 4
    if (kind === token.nothing) {
      if (++fillings > MAX_PROPERTIES) return 'it has more filling than is read'
    } else if (kind === token.end) return path.length === 0 ? null : 'it ends within a node'
    else if (kind === token.beginNode) {
      const name = readName(source, offset, end)
      if (name === undefined) return `a node's name at byte ${offset} does not end`
      if (++nodes > MAX_NODES || path.length >= MAX_DEPTH) return 'it has more nodes than are read'
      const node = path.length === 0 ? root : { name, properties: new Map(), children: [] }
      if (path.length === 0 && nodes > 1) return 'it has more than one root'
      path.at(-1)?.children.push(node)
      path.push(node)
      offset += padded(Buffer.byteLength(name, 'latin1') + 1)
    } else if (kind === token.endNode) {
      if (path.pop() === undefined) return `a node ends at byte ${at} that did not begin`
    } else if (kind === token.property) {
      const lengths = source.read(offset, 8)
      const node = path.at(-1)
      if (lengths.length < 8 || offset + 8 > end) return 'it ends within a property'
      if (node === undefined) return `a property at byte ${at} is in no node`
      if (++properties > MAX_PROPERTIES) return 'it has more properties than are read'
      const value = { offset: offset + 8, size: lengths.readUInt32BE(0) }
      const name = nameIn(strings, lengths.readUInt32BE(4))
      // A head has the structure but not the strings, which come last: its properties stay nameless.
      if (name !== undefined) node.properties.set(name, value)
      if (value.offset + value.size > end) return `a property at byte ${at} is longer than the tree`
      offset = value.offset + padded(value.size)
    } else return `byte ${at} does not begin a node or a property`
  }
  return 'it ends within its structure'
}

/** The strings of a property, without the NULs; undefined when there is none or more of it than any text has. */
export function fdtText(source: ByteSource, value: FdtValue | undefined): string | undefined {
  if (value === undefined || value.size === 0 || value.size > MAX_TEXT) return undefined
  const bytes = source.read(value.offset, value.size)
  if (bytes.length < value.size) return undefined
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

/** A property of one or two cells as a number; undefined when it has another size. */
export function fdtNumber(source: ByteSource, value: FdtValue | undefined): number | undefined {
  if (value === undefined || (value.size !== 4 && value.size !== 8)) return undefined
  const bytes = source.read(value.offset, value.size)
  if (bytes.length < value.size) return undefined
  return value.size === 4 ? bytes.readUInt32BE(0) : Number(bytes.readBigUInt64BE(0))
}

const padded = (length: number) => Math.ceil(length / 4) * 4

function readName(source: ByteSource, offset: number, end: number): string | undefined {
  const bytes = source.read(offset, Math.min(MAX_NAME, end - offset))
  const length = bytes.indexOf(0)
  return length < 0 ? undefined : bytes.toString('latin1', 0, length)
}

function nameIn(strings: Buffer, offset: number): string | undefined {
  const end = offset < strings.length ? strings.indexOf(0, offset) : -1
  return end < 0 || end - offset > MAX_NAME ? undefined : strings.toString('latin1', offset, end)
}
