import {
  BEGIN_NODE,
  END,
  END_NODE,
  field,
  HEADER,
  MAGIC,
  OLDEST_READER,
  PROPERTY,
  RESERVATION,
  VERSION,
} from './format.ts'
import type { DeviceTree, TreeNode } from './tree.ts'

/** Writes a tree as dtc does: header, reservations, structure, names. A tree that was read is written unchanged. */
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

/** Names of properties, each once. A name that is the end of another shares its bytes, as in dtc. */
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
