import { randomBytes } from 'node:crypto'
import type { DeviceTree } from '../../../device-tree/tree.ts'
import { writeDeviceTree } from '../../../device-tree/write.ts'
import { KexecError } from '../../../errors.ts'
import { type Resource, readResources, usableMemory } from '../../../system/memory-map.ts'
import { type MemoryRange, wholePages, within, without } from '../../../system/memory-ranges.ts'
import type { System } from '../../../system/system.ts'
import type { PlannedSegment, SegmentImage } from '../segments/segment.ts'
import { machineTree } from './given-tree.ts'
import { type HandedOver, handOver, KASLR_SEED, RNG_SEED } from './handed-over.ts'
import { hasEfiMap, memoryRanges, reservedRanges } from './memory.ts'

/** The relevant facts of a running machine whose new kernel needs only its device tree. */
export interface TreeMachine {
  /** The beginning of memory. */
  readonly base: number
  /** Where segments may lie. */
  readonly usable: readonly MemoryRange[]
  readonly tree: DeviceTree
  readonly seeds: Pick<HandedOver, 'kaslrSeed' | 'rngSeed'>
}

/**
 * Reads the facts of this machine that the new kernel needs.
 * @param given a device tree in place of the running one
 * @param page bytes
 * @param forgotten ranges that are the running kernel's own, under any name
 * @throws KexecError 'not-readable' where the kernel hides addresses or the tree from this process, 'not-found'
 */
export function readTreeMachine(
  system: System,
  given: DeviceTree | null,
  page: number,
  forgotten: (resources: readonly Resource[]) => MemoryRange[] = () => [],
): TreeMachine {
  const resources = readResources(system)
  const { ram, occupied } = usableMemory(resources)
  const { tree } = machineTree(system, given)
  const declared = hasEfiMap(tree) ? [] : memoryRanges(tree)
  const free = without(ram, [...without(occupied, forgotten(resources)), ...reservedRanges(tree)])
  const usable = wholePages(declared.length === 0 ? free : within(free, declared), page)
  const seeds = { kaslrSeed: randomBytes(KASLR_SEED), rngSeed: randomBytes(RNG_SEED) }
  return { base: ram[0]?.start ?? 0, usable, tree, seeds }
}

/**
 * The tree that the new kernel gets. Its length depends on neither the initrd's address nor its length.
 * @param limit bytes
 * @throws KexecError 'damaged-image' when it is larger
 */
export function treeFor(
  { tree, seeds }: TreeMachine,
  commandLine: string,
  initrd: { readonly address: number; readonly length: number },
  limit: number,
): Buffer {
  const contents = { ...seeds, commandLine, initrd: initrd.length === 0 ? null : initrd, crash: null }
  return handedOverTree(tree, contents, limit)
}

/** A tree with the inputs of the new kernel. @param limit bytes @throws KexecError 'damaged-image' when it is larger */
export function handedOverTree(tree: DeviceTree, contents: HandedOver, limit: number): Buffer {
  const bytes = writeDeviceTree(handOver(tree, contents))
  if (bytes.length <= limit) return bytes
  throw new KexecError(`the device tree has ${bytes.length} bytes, and kernels map at most ${limit}`, {
    reason: 'damaged-image',
    hint: 'Give a smaller device tree.',
    refused: true,
  })
}

/** The segments besides the tree. */
export interface TreeContents {
  readonly kernel: Buffer
  /** null for none. */
  readonly initrd: Buffer | null
  readonly commandLine: string
  /** The code that the running kernel enters in place of the new one. */
  readonly trampoline?: Buffer
}

/** A layout with its bytes, by name; the running kernel enters the new one at its begin, or the trampoline. */
export function treeImage(
  machine: TreeMachine,
  layout: readonly PlannedSegment[],
  { kernel, initrd, commandLine, trampoline }: TreeContents,
  { flags, treeLimit }: { flags: number; treeLimit: number },
): SegmentImage {
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const initrdRange = { address: addressOf('initrd'), length: initrd?.length ?? 0 }
  const bytes: Record<string, Uint8Array> = {
    kernel,
    initrd: initrd ?? Buffer.alloc(0),
    'device tree': treeFor(machine, commandLine, initrdRange, treeLimit),
    trampoline: trampoline ?? Buffer.alloc(0),
  }
  return {
    entry: addressOf(trampoline === undefined ? 'kernel' : 'trampoline'),
    flags,
    segments: layout.map(({ name, address, size, length }) => ({
      name,
      bytes: (bytes[name] as Uint8Array).subarray(0, length),
      address,
      size,
    })),
  }
}
