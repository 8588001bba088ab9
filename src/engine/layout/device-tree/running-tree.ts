import { MAX_BLOB, readDeviceTree } from '../../../device-tree/read.ts'
import { type DeviceTree, MAX_DEPTH, type TreeNode } from '../../../device-tree/tree.ts'
import { KexecError } from '../../../errors.ts'
import { optionName } from '../../../option-name.ts'
import type { System } from '../../../system/system.ts'

/** The blob that the running kernel was started with: Documentation/ABI/testing/sysfs-firmware-ofw. */
export const BLOB = '/sys/firmware/fdt'

/** The same as directories and files. The older name is a link to it. */
const DIRECTORIES = ['/sys/firmware/devicetree/base', '/proc/device-tree'] as const

/** The most nodes that are read; the largest trees have some thousand. */
const MAX_NODES = 50_000

/**
 * Reads the device tree that the running kernel was started with: as a blob where it shows one, which alone has the
 * memory reservations, else from directories.
 * @throws KexecError 'not-readable' for a process without privilege, 'not-found' on a machine without one
 */
export function readRunningTree(system: System): DeviceTree {
  try {
    return readDeviceTree(system.readHead(BLOB, MAX_BLOB + 1), BLOB)
  } catch (error) {
    if (error instanceof KexecError) throw error
    const directory = directoryOf(system)
    if (directory !== undefined) return readTreeDirectory(system, directory)
    const isDenied = ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')
    if (!isDenied) throw noTree(BLOB, `Mount /sys, or give a device tree with ${optionName('dtb')}.`)
    throw new KexecError(
      'the device tree of this machine, which the new kernel needs, may not be read by this process',
      { reason: 'not-readable', path: BLOB, hint: 'Run it as root.', refused: true },
    )
  }
}

/**
 * Reads the running kernel's present device tree, with all additions and removals since its start; it has no memory
 * reservations.
 * @throws KexecError 'not-readable' for a process without privilege, 'not-found' on a machine without one
 */
export function readTreeOfDirectories(system: System): DeviceTree {
  const directory = directoryOf(system)
  if (directory === undefined) throw noTree(DIRECTORIES[1], 'Mount /proc and /sys.')
  return readTreeDirectory(system, directory)
}

function directoryOf(system: System): string | undefined {
  return DIRECTORIES.find((path) => system.exists(`${path}/compatible`))
}

function noTree(path: string, hint: string): KexecError {
  const summary = 'there is no device tree of this machine to give to the new kernel'
  return new KexecError(summary, { reason: 'not-found', path, hint, refused: true })
}

/** Reads a tree from directories, each a node, and files, each a property. */
export function readTreeDirectory(system: System, directory: string): DeviceTree {
  const count = { nodes: 0, bytes: 0 }
  const root = readNode(system, directory, { name: '', depth: 1 }, count)
  return { reservations: [], bootProcessor: 0, names: Buffer.alloc(0), root }
}

function readNode(
  system: System,
  directory: string,
  { name, depth }: { name: string; depth: number },
  count: { nodes: number; bytes: number },
): TreeNode {
  if (depth > MAX_DEPTH || ++count.nodes > MAX_NODES) throw tooLarge(directory)
  const node: TreeNode = { name, properties: new Map(), children: [] }
  for (const entry of system.list(directory)) {
    const path = `${directory}/${entry}`
    const stats = system.stat(path)
    if (stats?.isDirectory()) node.children.push(readNode(system, path, { name: entry, depth: depth + 1 }, count))
    // The blob had no 'name': the kernel makes it from the node's (populate_properties of drivers/of/fdt.c).
    else if (stats?.isFile() && entry !== 'name') {
      const value = readProperty(system, path, MAX_BLOB - count.bytes)
      count.bytes += value.length
      node.properties.set(entry, value)
    }
  }
  return node
}

function readProperty(system: System, path: string, room: number): Buffer {
  let value: Buffer
  try {
    value = system.readHead(path, room + 1)
  } catch {
    throw new KexecError('a property of the device tree, which the new kernel needs, cannot be read', {
      reason: 'not-readable',
      path,
      hint: 'Run it as root.',
      refused: true,
    })
  }
  if (value.length > room) throw tooLarge(path)
  return value
}

function tooLarge(path: string): KexecError {
  return new KexecError('the device tree has more in it than any machine', {
    reason: 'damaged-image',
    path,
    hint: `Give a device tree with ${optionName('dtb')}.`,
    refused: true,
  })
}
