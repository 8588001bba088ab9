import { randomBytes } from 'node:crypto'
import { KexecError } from '../../errors.ts'
import { memoryBytes } from '../../image/bytes.ts'
import type { KernelImage } from '../../image/index.ts'
import type { System } from '../../system/system.ts'
import type { ReadLoad } from './architecture.ts'
import { type ZImageNeeds, zImageNeeds } from './arm/zimage.ts'
import { writeDeviceTree } from './device-tree/blob.ts'
import { type HandedOver, handOver, KASLR_SEED, RNG_SEED } from './device-tree/handed-over.ts'
import { hasEfiMap, memoryRanges, reservedRanges } from './device-tree/memory.ts'
import { readRunningTree } from './device-tree/running-tree.ts'
import type { DeviceTree } from './device-tree/tree.ts'
import { readResources, usableMemory } from './memory-map.ts'
import { type Piece, place } from './placement.ts'
import { type MemoryRange, roundUp, wholePages, within, without } from './ranges.ts'
import type { PlannedSegment, SegmentImage } from './segment.ts'

/** KEXEC_ARCH_ARM of include/uapi/linux/kexec.h. */
const ARCHITECTURE = 40 * 2 ** 16

const PAGE = 4096
const MEBIBYTE = 2 ** 20

/**
 * A zImage takes the begin of the memory for the multiple of 128 MiB below itself, and unpacks the kernel there (AUTO_ZRELADDR,
 * arch/arm/boot/compressed/head.S).
 */
const WINDOW = 128 * MEBIBYTE

/** Kernels before 5.10 map the MiB that the tree begins in and the one behind it. */
const TREE_LIMIT = MEBIBYTE

/** Initrd and tree have to lie in low memory (Documentation/arch/arm/booting.rst): 760 MiB by default, less with vmalloc=. */
const LOW_MEMORY = 512 * MEBIBYTE

/** What is to be laid out, by size. */
export interface ArmLoad {
  readonly needs: ZImageNeeds
  readonly commandLine: string
  /** Bytes of the zImage. */
  readonly kernelLength: number
  /** 0 for none. */
  readonly initrdLength: number
}

/** What of the running machine counts. */
export interface ArmMachine {
  /** Where memory begins. */
  readonly base: number
  /** Where segments may lie. */
  readonly usable: readonly MemoryRange[]
  readonly tree: DeviceTree
  readonly seeds: Pick<HandedOver, 'kaslrSeed' | 'rngSeed'>
}

/** What tells that an image is one this file can lay out. */
export function isArmLoadable({ format, problems }: KernelImage): boolean {
  return format === 'ARM zImage' && problems.length === 0
}

/**
 * Reads what the new kernel has to be told of this machine.
 * @throws KexecError 'not-readable' where the kernel hides addresses or the tree from this process, 'not-found'
 */
export function readArmMachine(system: System): ArmMachine {
  const { ram, occupied } = usableMemory(readResources(system))
  const tree = readRunningTree(system)
  const told = hasEfiMap(tree) ? [] : memoryRanges(tree)
  const free = without(ram, [...occupied, ...reservedRanges(tree)])
  const usable = wholePages(told.length === 0 ? free : within(free, told), PAGE)
  const seeds = { kaslrSeed: randomBytes(KASLR_SEED), rngSeed: randomBytes(RNG_SEED) }
  return { base: Math.floor((ram[0]?.start ?? 0) / WINDOW) * WINDOW, usable, tree, seeds }
}

/**
 * Finds a place for everything: the zImage behind what it unpacks to, so that it need not move itself first, and all else
 * behind the zImage.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a device tree that is too large
 */
export function layOutArm(machine: ArmMachine, load: ArmLoad): PlannedSegment[] {
  const { base, usable } = machine
  const { needs, kernelLength, commandLine, initrdLength } = load
  const lowest = base + roundUp(needs.textOffset + needs.unpacked, MEBIBYTE)
  const size = roundUp(kernelLength + needs.workspace, PAGE)
  const kernel = { name: 'kernel', length: kernelLength, size, alignment: PAGE, lowest, limit: base + WINDOW }
  const placed = place([kernel], usable)
  const [{ address }] = placed as [PlannedSegment]
  const treeLength = treeFor(machine, commandLine, { address: 0, length: initrdLength }).length
  const behind = { lowest: address + size, limit: base + LOW_MEMORY, alignment: PAGE }
  const pieces: Piece[] = [
    { ...behind, name: 'device tree', length: treeLength, size: roundUp(treeLength, PAGE), alignment: TREE_LIMIT },
  ]
  if (initrdLength > 0) {
    pieces.push({ ...behind, name: 'initrd', length: initrdLength, size: roundUp(initrdLength, PAGE) })
  }
  return [...placed, ...place(pieces, usable)]
}

/** @throws KexecError 'damaged-image' when it is too large */
function treeFor({ tree, seeds }: ArmMachine, commandLine: string, initrd: { address: number; length: number }) {
  const told = { ...seeds, commandLine, initrd: initrd.length === 0 ? null : initrd }
  const bytes = writeDeviceTree(handOver(tree, told))
  if (bytes.length <= TREE_LIMIT) return bytes
  throw new KexecError(`the device tree has ${bytes.length} bytes, and kernels map at most ${TREE_LIMIT}`, {
    reason: 'damaged-image',
    hint: 'Give a smaller device tree.',
    refused: true,
  })
}

/**
 * Makes what kexec_load takes. There is no trampoline: the running kernel finds the device tree among the segments, and enters
 * the new one as the boot protocol has it, with 0 in r0 and the tree's address in r2 (arch/arm/kernel/machine_kexec.c,
 * relocate_kernel.S).
 * @throws KexecError as `layOutArm`
 */
export function buildArm(machine: ArmMachine, { kernel, initrd, commandLine }: ReadLoad): SegmentImage {
  const initrdLength = initrd?.length ?? 0
  const needs = zImageNeeds(memoryBytes(kernel))
  const layout = layOutArm(machine, { needs, commandLine, kernelLength: kernel.length, initrdLength })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const bytes: Record<string, Uint8Array> = {
    kernel,
    initrd: initrd ?? Buffer.alloc(0),
    'device tree': treeFor(machine, commandLine, { address: addressOf('initrd'), length: initrdLength }),
  }
  return {
    entry: addressOf('kernel'),
    flags: ARCHITECTURE,
    segments: layout.map(({ name, address, size, length }) => ({
      bytes: (bytes[name] as Uint8Array).subarray(0, length),
      address,
      size,
    })),
  }
}
