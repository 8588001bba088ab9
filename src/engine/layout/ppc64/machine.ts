import { randomBytes } from 'node:crypto'
import { addressIn, chosenNode, type DeviceTree, type TreeNode } from '../../../device-tree/tree.ts'
import { KexecError } from '../../../errors.ts'
import { architectures } from '../../../system/architecture.ts'
import { readResources, usableMemory } from '../../../system/memory-map.ts'
import { type MemoryRange, wholePages, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import { RNG_SEED } from '../device-tree/handed-over.ts'
import type { TreeMachine } from '../device-tree/machine.ts'
import { memoryNodes, memoryRanges, reservedRanges } from '../device-tree/memory.ts'
import { readTreeOfDirectories } from '../device-tree/running-tree.ts'
import { REACH } from './trampoline.ts'

/** The relevant facts of a running machine. */
export interface Ppc64Machine extends TreeMachine {
  /**
   * The end of the running kernel, which begins at 0: kexec_load takes no segments below it (machine_kexec_prepare).
   */
  readonly kernelEnd: number
  /** The memory that a processor certainly reaches with its MMU off. */
  readonly realModeEnd: number
}

/** Of the largest page: a running kernel of any page size takes such segments. */
export const PAGE: number = architectures.ppc64.largestPage

/** The kernel itself stays below, even where the first node of memory is larger: ppc64_rma_size of arch/powerpc/mm. */
const REAL_MODE_LIMIT = Math.min(2 ** 30, REACH)

const KERNEL_END = 'linux,kernel-end'

/**
 * Properties of the running kernel, in /chosen: its firmware's facts, and its own facts for a loader such as this one.
 */
const own = [
  KERNEL_END,
  'linux,htab-base',
  'linux,htab-size',
  'linux,crashkernel-base',
  'linux,crashkernel-size',
  'linux,memory-limit',
] as const

/** The inputs of a crash kernel in place of all memory. */
const crashMemory = ['linux,usable-memory', 'linux,drconf-usable-memory'] as const

/**
 * Reads the facts of this machine that the new kernel needs. The tree is read from directories, which the running
 * kernel updates as processors and memory come and go.
 * @throws KexecError 'not-readable' where the kernel hides addresses or the tree from this process, 'not-found'
 */
export function readPpc64Machine(system: System): Ppc64Machine {
  const { ram, occupied } = usableMemory(readResources(system))
  const tree = readTreeOfDirectories(system)
  const kernelEnd = addressIn(chosenNode(tree), KERNEL_END)
  if (kernelEnd === undefined) throw noKernelEnd()
  const firmware = firmwareRanges(tree)
  const usable = without(ram, [...occupied, ...hashTable(tree), ...firmware, ...reservedRanges(tree)])
  const handedOver = { ...tree, reservations: [...tree.reservations, ...firmware.map(reservationOf)] }
  forget(handedOver)
  return {
    base: ram[0]?.start ?? 0,
    usable: wholePages(usable, PAGE),
    tree: handedOver,
    seeds: { kaslrSeed: null, rngSeed: randomBytes(RNG_SEED) },
    kernelEnd: Number(kernelEnd),
    realModeEnd: Math.min(firstMemory(handedOver), REAL_MODE_LIMIT),
  }
}

/**
 * The end of the memory that begins at 0: a guest's processors reach no further with their MMU off ("real mode area").
 */
function firstMemory(tree: DeviceTree): number {
  return memoryRanges(tree).find(({ start }) => start === 0)?.end ?? 0
}

/**
 * Memory that firmware keeps using under the new kernel: as get_reserved_memory_ranges of arch/powerpc/kexec has it.
 */
function firmwareRanges({ root }: DeviceTree): MemoryRange[] {
  return nodesOf(root).flatMap((node) => {
    if (node.name === 'rtas') return rangeIn(node, 'linux,rtas-base', 'rtas-size')
    if (node.name === 'ibm,opal') return rangeIn(node, 'opal-base-address', 'opal-runtime-size')
    // The tables of addresses that devices may write to.
    if (node.properties.has('linux,tce-base')) return rangeIn(node, 'linux,tce-base', 'linux,tce-size')
    return node === root ? pairsIn(node, 'reserved-ranges') : []
  })
}

/**
 * The table by which a processor without radix trees finds memory, as the running kernel has it outside of any guest.
 */
function hashTable(tree: DeviceTree): MemoryRange[] {
  return rangeIn(chosenNode(tree), 'linux,htab-base', 'linux,htab-size')
}

function nodesOf(node: TreeNode): TreeNode[] {
  return [node, ...node.children.flatMap(nodesOf)]
}

function rangeIn(node: TreeNode, base: string, size: string): MemoryRange[] {
  const [start, length] = [addressIn(node, base), addressIn(node, size)]
  return start === undefined || length === undefined ? [] : rangeOf(start, length)
}

/** Addresses and sizes of two cells each. */
function pairsIn(node: TreeNode, property: string): MemoryRange[] {
  const value = node.properties.get(property) ?? Buffer.alloc(0)
  const pairs = Array.from({ length: Math.floor(value.length / 16) }, (_, index) => index * 16)
  return pairs.flatMap((at) => rangeOf(value.readBigUInt64BE(at), value.readBigUInt64BE(at + 8)))
}

function rangeOf(start: bigint, length: bigint): MemoryRange[] {
  const end = start + length
  return length > 0n && end <= BigInt(Number.MAX_SAFE_INTEGER) ? [{ start: Number(start), end: Number(end) }] : []
}

function reservationOf({ start, end }: MemoryRange) {
  return { address: BigInt(start), size: BigInt(end - start) }
}

/** Removes the running kernel's own properties. */
function forget(tree: DeviceTree): void {
  const chosen = chosenNode(tree)
  for (const name of own) chosen.properties.delete(name)
  const dynamic = tree.root.children.filter(({ name }) => name === 'ibm,dynamic-reconfiguration-memory')
  for (const node of [...memoryNodes(tree), ...dynamic]) {
    for (const name of crashMemory) node.properties.delete(name)
  }
}

function noKernelEnd(): KexecError {
  return new KexecError('the running kernel does not say where it ends, which nothing may be loaded below', {
    reason: 'not-found',
    path: `/proc/device-tree/chosen/${KERNEL_END}`,
    hint: 'Use a kernel built with CONFIG_KEXEC=y.',
    refused: true,
  })
}
