import { type ByteSource, memoryBytes, partOf } from '../bytes/bytes.ts'
import { DamagedStream, StreamReader } from '../compression/reader.ts'
import { KexecError } from '../errors.ts'
import {
  BEGIN_NODE,
  END_NODE,
  field,
  HEADER,
  MAGIC,
  NOTHING,
  OLDEST_READER,
  PROPERTY,
  RESERVATION,
  VERSION,
} from './format.ts'
import { type DeviceTree, MAX_DEPTH, type MemoryReservation, type TreeNode } from './tree.ts'

/** Largest tree of a machine, bytes: kernels map 2 MiB at most. One that holds files, a FIT image, may be larger. */
export const MAX_BLOB = 8 * 2 ** 20

/** The limits of a tree's nodes and properties; tokens without a meaning count as well. */
interface Bounds {
  readonly nodes: number
  readonly properties: number
}

/** Large servers have some 20,000 nodes; the size of their tree is bounded as well. */
const ofMachine: Bounds = { nodes: 100_000, properties: 200_000 }
/** A tree that holds files may be of any size; the largest known have half as many. */
const ofFiles: Bounds = { nodes: 20_000, properties: 50_000 }
/** Bytes of a name; the specification has 31. */
const MAX_NAME = 255
/** Of the longest value that is read of a tree that holds files. */
const MAX_LISTED = 16 * 1024

/** Ends the reading of a tree, with the end of a sentence about it; never leaves this file. */
class Damaged extends Error {}

/**
 * Reads the tree of a machine, whole.
 * @param path where the blob comes from, for messages
 * @throws KexecError 'damaged-image' for anything that is none
 */
export function readDeviceTree(blob: Buffer, path: string): DeviceTree {
  const tree = attempt(() => readWhole(blob))
  if (typeof tree !== 'string') return tree
  throw new KexecError(`the device tree ${tree}`, {
    reason: 'damaged-image',
    path,
    hint: 'Give a flattened device tree (.dtb), as dtc makes it.',
    refused: true,
  })
}

function readWhole(blob: Buffer): DeviceTree {
  const { header, total, structure, start, names } = blocksOf(memoryBytes(blob))
  if (total > MAX_BLOB) throw new Damaged(`has ${total} bytes, more than any machine's`)
  const reservations = readReservations(blob.subarray(0, total), header.readUInt32BE(field.reservations))
  const root = readStructure(structure, start, names, new Count(ofMachine), (input, length) =>
    Buffer.from(input.bytes(length)),
  )
  return { reservations, bootProcessor: header.readUInt32BE(field.bootProcessor), names, root }
}

/** A node of a tree that was read without the files it holds. */
export type ListedNode = TreeNode<ListedProperty>

export interface ListedProperty {
  /** Bytes from the start of the tree. */
  readonly offset: number
  readonly length: number
  /** The value; empty where it is longer than MAX_LISTED, and so is a file in the tree. */
  readonly value: Buffer
}

/**
 * Reads a tree without the files it holds; it may have any size.
 * @returns the root, or the fault, as the end of a sentence about the tree
 */
export function listDeviceTree(source: ByteSource): ListedNode | string {
  return attempt(() => {
    const { structure, start, names } = blocksOf(source)
    return readStructure(structure, start, names, new Count(ofFiles), (input, length, offset) => {
      const isFile = length > MAX_LISTED
      const value = isFile ? Buffer.alloc(0) : Buffer.from(input.bytes(length))
      if (isFile) input.skip(length)
      return { offset, length, value }
    })
  })
}

function attempt<Tree>(read: () => Tree): Tree | string {
  try {
    return read()
  } catch (error) {
    if (error instanceof DamagedStream) return 'ends before its root does'
    if (error instanceof Damaged) return error.message
    throw error
  }
}

/** Header, structure and names, each within the tree. */
function blocksOf(source: ByteSource) {
  const header = source.read(0, HEADER)
  if (header.length < HEADER || header.readUInt32BE(field.magic) !== MAGIC) throw new Damaged('has no header')
  const word = (at: number) => header.readUInt32BE(at)
  const total = word(field.totalSize)
  if (total > source.size) throw new Damaged(`has ${source.size} bytes where its header asks for ${total}`)
  if (word(field.version) < OLDEST_READER || word(field.oldestReader) > VERSION) {
    throw new Damaged(`is of version ${word(field.version)}, and ${OLDEST_READER} and ${VERSION} are read`)
  }
  const [start, names, namesSize] = [word(field.structure), word(field.names), word(field.namesSize)]
  const isInside = start >= HEADER && start <= total && names >= HEADER && names + namesSize <= total
  if (!isInside) throw new Damaged('has its blocks outside of itself')
  if (start % 4 !== 0) throw new Damaged('has a structure that does not begin at a word')
  if (namesSize > MAX_BLOB) throw new Damaged('has more names than any machine')
  const structure = partOf(source, start, total - start)
  return { header, total, structure, start, names: Buffer.from(source.read(names, namesSize)) }
}

function readReservations(all: Buffer, start: number): MemoryReservation[] {
  const found: MemoryReservation[] = []
  if (start < HEADER) throw new Damaged('has its blocks outside of itself')
  for (let at = start; ; at += RESERVATION) {
    if (at + RESERVATION > all.length) throw new Damaged('has memory reservations without an end')
    const [address, size] = [all.readBigUInt64BE(at), all.readBigUInt64BE(at + 8)]
    if (address === 0n && size === 0n) return found
    found.push({ address, size })
  }
}

/**
 * @param start where the structure begins, bytes from the start of the tree
 * @param read takes a value of that length, which begins at that offset from the start of the tree
 */
function readStructure<Value extends Buffer | ListedProperty>(
  structure: ByteSource,
  start: number,
  names: Buffer,
  count: Count,
  read: (input: StreamReader, length: number, offset: number) => Value,
): TreeNode<Value> {
  const input = new StreamReader(structure)
  const open: TreeNode<Value>[] = []
  for (;;) {
    const token = input.bytes(4).readUInt32BE(0)
    const node = open.at(-1)
    if (token === BEGIN_NODE) {
      if (open.length >= MAX_DEPTH) throw new Damaged(`is more than ${MAX_DEPTH} levels deep`)
      count.node()
      open.push({ name: readName(input), properties: new Map(), children: [] })
    } else if (token === PROPERTY && node !== undefined) {
      const length = input.bytes(4).readUInt32BE(0)
      const name = nameAt(names, input.bytes(4).readUInt32BE(0))
      const value = read(input, length, start + input.position)
      count.property('value' in value ? value.value.length : value.length)
      input.skip((4 - (length % 4)) % 4)
      // Of two with one name, readers take the first: fdt_getprop() of libfdt, of_find_property() of the kernel.
      if (!node.properties.has(name)) node.properties.set(name, value)
    } else if (token === END_NODE && node !== undefined) {
      open.pop()
      const parent = open.at(-1)
      if (parent === undefined) return node
      parent.children.push(node)
    } else if (token === NOTHING) count.property(0)
    else throw new Damaged('has a token that is out of place')
  }
}

/** Bounds a tree's cost for us. */
class Count {
  private readonly bounds: Bounds
  private nodes = 0
  private properties = 0
  private bytes = 0

  constructor(bounds: Bounds) {
    this.bounds = bounds
  }

  node(): void {
    if (++this.nodes > this.bounds.nodes) throw new Damaged('has more nodes than any machine')
  }

  property(length: number): void {
    if (++this.properties > this.bounds.properties) throw new Damaged('has more properties than any machine')
    this.bytes += length
    if (this.bytes > MAX_BLOB) throw new Damaged('has more in its properties than any machine')
  }
}

/** A node's name, with its padding. */
function readName(input: StreamReader): string {
  let name = ''
  while (name.length <= MAX_NAME) {
    const word = input.bytes(4).toString('latin1')
    const end = word.indexOf('\0')
    if (end >= 0) return name + word.slice(0, end)
    name += word
  }
  throw new Damaged('has a name that is too long')
}

function nameAt(names: Buffer, offset: number): string {
  const end = offset < names.length ? names.indexOf(0, offset) : -1
  if (end < 0 || end - offset > MAX_NAME) throw new Damaged('has a property without a name')
  return names.toString('latin1', offset, end)
}
