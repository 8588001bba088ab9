import { type ByteSource, partOf } from '../bytes/bytes.ts'
import { DamagedStream, StreamReader } from '../compression/reader.ts'
import { textOfBytes } from '../exact-text.ts'

/** A flattened device tree: Devicetree Specification, chapter 5. */
export interface FdtNode {
  /** With its unit address: 'kernel@1'. The root's is ''. */
  readonly name: string
  readonly properties: ReadonlyMap<string, FdtProperty>
  readonly children: readonly FdtNode[]
}

export interface FdtProperty {
  /** Bytes from the start of the tree. */
  readonly offset: number
  readonly length: number
  /** The value; empty where it is longer than MAX_VALUE, since it is then a file that the tree holds. */
  readonly value: Buffer
}

const MAGIC = 0xd00dfeed
const BEGIN_NODE = 1
const END_NODE = 2
const PROPERTY = 3
const NOTHING = 4

const MAX_DEPTH = 32
const MAX_NODES = 20_000
/** Properties and tokens that mean nothing; the largest device trees have half as many. */
const MAX_PROPERTIES = 50_000
/** Values that are read, bytes. */
const MAX_VALUE = 16 * 1024
const MAX_VALUES = 8 * 1024 * 1024
const MAX_STRINGS = 1024 * 1024

/**
 * Reads a tree, without the files it holds.
 * @returns the root, or what is wrong, as the end of a sentence about the tree
 */
export function parseFdt(source: ByteSource): FdtNode | string {
  const header = source.read(0, 40)
  if (header.length < 40 || header.readUInt32BE(0) !== MAGIC) return 'has no header'
  const total = header.readUInt32BE(4)
  const structure = header.readUInt32BE(8)
  const strings = header.readUInt32BE(12)
  if (header.readUInt32BE(24) > 17) return 'is of a newer version than 17'
  if (total > source.size) return `has ${source.size} bytes where its header asks for ${total}`
  if (structure > total || strings > total || structure % 4 !== 0) return 'has its blocks outside of itself'
  const names = source.read(strings, Math.min(total - strings, header.readUInt32BE(32), MAX_STRINGS))
  try {
    return parseStructure(new StreamReader(partOf(source, structure, total - structure)), structure, names)
  } catch (error) {
    if (error instanceof DamagedStream) return 'ends before its root does'
    throw error
  }
}

interface OpenNode {
  readonly name: string
  readonly properties: Map<string, FdtProperty>
  readonly children: FdtNode[]
}

function parseStructure(input: StreamReader, start: number, names: Buffer): FdtNode | string {
  const open: OpenNode[] = []
  let nodes = 0
  let properties = 0
  let valuesSize = 0
  for (;;) {
    const token = input.bytes(4).readUInt32BE(0)
    if (token === BEGIN_NODE) {
      if (open.length >= MAX_DEPTH || ++nodes > MAX_NODES) return 'has more nodes than any machine'
      const name = readName(input)
      if (name === undefined) return 'has a name that is too long'
      open.push({ name, properties: new Map(), children: [] })
    } else if (token === END_NODE) {
      const node = open.pop()
      if (node === undefined) return 'ends a node that it did not begin'
      const parent = open.at(-1)
      if (parent === undefined) return node
      parent.children.push(node)
    } else if (token === PROPERTY) {
      if (++properties > MAX_PROPERTIES) return 'has more properties than any machine'
      const length = input.bytes(4).readUInt32BE(0)
      const name = nameAt(names, input.bytes(4).readUInt32BE(0))
      const node = open.at(-1)
      if (node === undefined || name === undefined) return 'has a damaged property'
      const offset = start + input.position
      const value = length <= MAX_VALUE ? Buffer.from(input.bytes(length)) : Buffer.alloc(0)
      valuesSize += value.length
      if (valuesSize > MAX_VALUES) return 'has more in its properties than any machine'
      input.skip((length > MAX_VALUE ? length : 0) + ((4 - (length % 4)) % 4))
      // Of two with one name, readers take the first: fdt_getprop() of libfdt, of_find_property() of the kernel.
      if (!node.properties.has(name)) node.properties.set(name, { offset, length, value })
    } else if (token !== NOTHING) return 'has a token that is not known'
    else if (++properties > MAX_PROPERTIES) return 'has more properties than any machine'
  }
}

/** A node's name, with its padding. */
function readName(input: StreamReader): string | undefined {
  let name = ''
  while (name.length < 256) {
    const word = input.bytes(4).toString('latin1')
    const end = word.indexOf('\0')
    if (end >= 0) return name + word.slice(0, end)
    name += word
  }
  return undefined
}

function nameAt(names: Buffer, offset: number): string | undefined {
  const name = names.subarray(offset, offset + 256)
  const end = name.indexOf(0)
  return end < 0 ? undefined : name.toString('latin1', 0, end)
}

/** The child of this name, or undefined. A name without a unit address means any: fdt_subnode_offset() of libfdt. */
export function childOf(node: FdtNode | undefined, name: string): FdtNode | undefined {
  const isNamed = name.includes('@') ? () => false : (child: FdtNode) => child.name.startsWith(`${name}@`)
  return node?.children.find((child) => child.name === name || isNamed(child))
}

/** A property's text up to the first NUL, or undefined. */
export function stringOf(node: FdtNode | undefined, name: string): string | undefined {
  return stringsOf(node, name)[0]
}

/** A property that lists texts. */
export function stringsOf(node: FdtNode | undefined, name: string): string[] {
  const property = node?.properties.get(name)
  return property === undefined ? [] : textOfBytes(property.value).replace(/\0$/, '').split('\0')
}

/** A property of one or two cells, or undefined when it is none or larger than numbers are exact. */
export function numberOf(node: FdtNode | undefined, name: string): number | undefined {
  const value = node?.properties.get(name)?.value
  if (value?.length === 4) return value.readUInt32BE(0)
  if (value?.length !== 8) return undefined
  const number = Number(value.readBigUInt64BE(0))
  return Number.isSafeInteger(number) ? number : undefined
}
