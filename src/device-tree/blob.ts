import { KexecError } from '../errors.ts'
import { type DeviceTree, MAX_DEPTH, type MemoryReservation, type TreeNode } from './tree.ts'

/** Fields of the header, bytes from its start: Devicetree Specification, 5.2. All are big-endian words. */
const field = {
  magic: 0,
  totalSize: 4,
  structure: 8,
  names: 12,
  reservations: 16,
  version: 20,
  oldestReader: 24,
  bootProcessor: 28,
  namesSize: 32,
  structureSize: 36,
} as const

const HEADER = 40
const MAGIC = 0xd00dfeed
const VERSION = 17
const OLDEST_READER = 16

const BEGIN_NODE = 1
const END_NODE = 2
const PROPERTY = 3
const NOTHING = 4
const END = 9

/** Bytes of an entry: address and size. */
const RESERVATION = 16

/** Largest blob that is read, bytes: kernels map 2 MiB at most. */
export const MAX_BLOB = 8 * 2 ** 20

/** Begins and ends of nodes, and properties, that are read at most; the largest trees have some ten thousand. */
const MAX_TOKENS = 200_000

/** Bytes of a property's name; the specification has 31. */
const MAX_NAME = 255

/** Ends the reading of a blob; never leaves this file. */
class Damaged extends Error {}

/**
 * Reads a flattened device tree.
 * @param path where the blob comes from, for messages
 * @throws KexecError 'damaged-image' for anything that is none
 */
export function readDeviceTree(blob: Buffer, path: string): DeviceTree {
  try {
    return read(blob)
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
    throw new KexecError(`the device tree ${error.message}`, {
      reason: 'damaged-image',
      path,
      hint: 'Give a flattened device tree (.dtb), as dtc makes it.',
      refused: true,
    })
  }
}

function read(blob: Buffer): DeviceTree {
  if (blob.length < HEADER || blob.readUInt32BE(field.magic) !== MAGIC) throw new Damaged('has no header')
  const word = (at: number) => blob.readUInt32BE(at)
  const total = word(field.totalSize)
  if (total > blob.length) throw new Damaged(`has ${blob.length} bytes where its header asks for ${total}`)
  if (total > MAX_BLOB) throw new Damaged(`has ${total} bytes, more than any machine's`)
  if (word(field.version) < OLDEST_READER || word(field.oldestReader) > VERSION) {
    throw new Damaged(`is of version ${word(field.version)}, and ${OLDEST_READER} and ${VERSION} are read`)
  }
  const all = blob.subarray(0, total)
  const block = (start: number, size: number) => {
    if (start < HEADER || start + size > total) throw new Damaged('has its blocks outside of itself')
    return all.subarray(start, start + size)
  }
  const [structure, names] = [word(field.structure), word(field.names)]
  const room = Math.max(0, total - structure)
  // The size of the structure is told since version 17.
  const structureSize = word(field.version) >= VERSION ? word(field.structureSize) : room - (room % 4)
  if (structure % 4 !== 0) throw new Damaged('has a structure that does not begin at a word')
  return {
    reservations: readReservations(all, word(field.reservations)),
    bootProcessor: word(field.bootProcessor),
    names: Buffer.from(block(names, word(field.namesSize))),
    root: readStructure(block(structure, structureSize), block(names, word(field.namesSize))),
  }
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

function readStructure(structure: Buffer, names: Buffer): TreeNode {
  const open: TreeNode[] = []
  let [at, tokens] = [0, 0]
  const take = (length: number) => {
    if (length > structure.length - at) throw new Damaged('ends before its root does')
    const bytes = structure.subarray(at, at + length)
    at += Math.ceil(length / 4) * 4
    return bytes
  }
  for (;;) {
    const token = take(4).readUInt32BE(0)
    const node = open.at(-1)
    if (++tokens > MAX_TOKENS) throw new Damaged("has more in it than any machine's")
    if (token === BEGIN_NODE) {
      if (open.length >= MAX_DEPTH) throw new Damaged(`is more than ${MAX_DEPTH} levels deep`)
      const end = structure.indexOf(0, at)
      if (end < 0) throw new Damaged('has a name without an end')
      const name = structure.toString('latin1', at, end)
      take(end - at + 1)
      open.push({ name, properties: new Map(), children: [] })
    } else if (token === PROPERTY && node !== undefined) {
      const length = take(4).readUInt32BE(0)
      const name = nameAt(names, take(4).readUInt32BE(0))
      const value = Buffer.from(take(length))
      // Of two alike the first counts, as for the kernel's reader.
      if (!node.properties.has(name)) node.properties.set(name, value)
    } else if (token === END_NODE && node !== undefined) {
      open.pop()
      const parent = open.at(-1)
      if (parent === undefined) return node
      parent.children.push(node)
    } else if (token !== NOTHING) throw new Damaged('has a token that is out of place')
  }
}

function nameAt(names: Buffer, offset: number): string {
  const end = offset < names.length ? names.indexOf(0, offset) : -1
  if (end < 0 || end - offset > MAX_NAME) throw new Damaged('has a property without a name')
  return names.toString('latin1', offset, end)
}

/** Writes a tree as dtc does: header, reservations, structure, names. What was read comes out as it went in. */
export function writeDeviceTree(tree: DeviceTree): Buffer {
  const names = new Names(tree.names)
  const words: Buffer[] = []
  writeNode(tree.root, names, words)
  const structure = Buffer.concat([...words, word(END)])
  const reservations = Buffer.alloc((tree.reservations.length + 1) * RESERVATION)
  for (const [index, { address, size }] of tree.reservations.entries()) {
    reservations.writeBigUInt64BE(address, index * RESERVATION)
    reservations.writeBigUInt64BE(size, index * RESERVATION + 8)
  }
  const nameBlock = names.bytes()
  const structureAt = HEADER + reservations.length
  const namesAt = structureAt + structure.length
  const header = Buffer.alloc(HEADER)
  const fields: readonly (readonly [number, number])[] = [
    [field.magic, MAGIC],
    [field.totalSize, namesAt + nameBlock.length],
    [field.structure, structureAt],
    [field.names, namesAt],
    [field.reservations, HEADER],
    [field.version, VERSION],
    [field.oldestReader, OLDEST_READER],
    [field.bootProcessor, tree.bootProcessor],
    [field.namesSize, nameBlock.length],
    [field.structureSize, structure.length],
  ]
  for (const [at, value] of fields) header.writeUInt32BE(value, at)
  return Buffer.concat([header, reservations, structure, nameBlock])
}

function writeNode(node: TreeNode, names: Names, into: Buffer[]): void {
  into.push(word(BEGIN_NODE), padded(Buffer.from(`${node.name}\0`, 'latin1')))
  for (const [name, value] of node.properties) {
    into.push(word(PROPERTY), word(value.length), word(names.offsetOf(name)), padded(value))
  }
  for (const child of node.children) writeNode(child, names, into)
  into.push(word(END_NODE))
}

/** Names of properties, each once. One that ends another is part of it, as dtc has it. */
class Names {
  private readonly known: Buffer
  private readonly added: Buffer[] = []
  private readonly offsets = new Map<string, number>()
  private length: number

  constructor(known: Buffer) {
    this.known = known
    this.length = known.length
  }

  offsetOf(name: string): number {
    const seen = this.offsets.get(name)
    if (seen !== undefined) return seen
    const text = Buffer.from(`${name}\0`, 'latin1')
    const found = this.known.indexOf(text)
    const offset = found >= 0 ? found : this.length
    if (found < 0) {
      this.added.push(text)
      this.length += text.length
    }
    this.offsets.set(name, offset)
    return offset
  }

  bytes(): Buffer {
    return Buffer.concat([this.known, ...this.added])
  }
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)])
}
