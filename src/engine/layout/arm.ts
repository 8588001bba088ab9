import { memoryBytes } from '../../bytes/bytes.ts'
import { type ZImageNeeds, zImageNeeds } from '../../image/formats/zimage.ts'
import type { KernelImage } from '../../image/model/image.ts'
import { architectures } from '../../system/architecture.ts'
import { kexecArchitecture } from '../../system/kexec-abi.ts'
import { roundUp } from '../../system/memory-ranges.ts'
import type { System } from '../../system/system.ts'
import { readTreeMachine, type TreeMachine, treeFor, treeImage } from './device-tree/machine.ts'
import type { PlannedLoad, ReadLoad, SegmentArchitecture } from './segments/architecture.ts'
import { type Piece, place } from './segments/placement.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from './segments/segment.ts'

const PAGE: number = architectures.arm.largestPage
const MEBIBYTE = 2 ** 20

/**
 * A zImage takes the multiple of 128 MiB below itself as the begin of the memory, and unpacks the kernel there
 * (AUTO_ZRELADDR, arch/arm/boot/compressed/head.S).
 */
const WINDOW = 128 * MEBIBYTE

/** Kernels before 5.10 map the MiB that the tree begins in and the one behind it. */
const TREE_LIMIT = MEBIBYTE

/**
 * Initrd and tree must lie in low memory (Documentation/arch/arm/booting.rst): 760 MiB by default, less with vmalloc=.
 */
const LOW_MEMORY = 512 * MEBIBYTE

export const arm = {
  name: 'arm',
  hasDeviceTree: true,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: ({ format, problems }: KernelImage) => format === 'ARM zImage' && problems.length === 0,
  readMachine: (system: System, { deviceTree }: Pick<MachineOptions, 'deviceTree'>) =>
    readTreeMachine(system, deviceTree, PAGE),
  layOut,
  build,
} satisfies SegmentArchitecture<TreeMachine>

type ArmLoad = Pick<PlannedLoad, 'source' | 'commandLine' | 'kernelLength' | 'initrdLength'>

/** @returns null where the zImage's needs cannot be read yet */
function layOut(machine: TreeMachine, { source, ...sizes }: ArmLoad): PlannedSegment[] | null {
  return source && layOutZImage(machine, zImageNeeds(source), sizes)
}

/**
 * Finds a place for everything: the zImage behind its unpacked kernel, so that it need not move itself first, and all
 * else behind the zImage.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a device tree that is too large
 */
function layOutZImage(
  machine: TreeMachine,
  needs: ZImageNeeds,
  { kernelLength, commandLine, initrdLength }: Omit<ArmLoad, 'source'>,
): PlannedSegment[] {
  const base = Math.floor(machine.base / WINDOW) * WINDOW
  const lowest = base + roundUp(needs.textOffset + needs.unpacked, MEBIBYTE)
  const size = roundUp(kernelLength + needs.workspace, PAGE)
  const kernel = { name: 'kernel', length: kernelLength, size, alignment: PAGE, lowest, limit: base + WINDOW }
  const placed = place([kernel], machine.usable)
  const [{ address }] = placed as [PlannedSegment]
  const treeLength = treeFor(machine, commandLine, { address: 0, length: initrdLength }, TREE_LIMIT).length
  const behind = { lowest: address + size, limit: base + LOW_MEMORY, alignment: PAGE }
  const pieces: Piece[] = [
    { ...behind, name: 'device tree', length: treeLength, size: roundUp(treeLength, PAGE), alignment: TREE_LIMIT },
  ]
  if (initrdLength > 0) {
    pieces.push({ ...behind, name: 'initrd', length: initrdLength, size: roundUp(initrdLength, PAGE) })
  }
  return [...placed, ...place(pieces, machine.usable)]
}

/**
 * Makes the arguments of kexec_load. There is no trampoline: the running kernel finds the device tree among the
 * segments, and enters the new one by the boot protocol, with 0 in r0 and the tree's address in r2
 * (arch/arm/kernel/machine_kexec.c, relocate_kernel.S).
 * @throws KexecError as `layOut`
 */
function build(
  machine: TreeMachine,
  { kernel, initrd, commandLine }: Pick<ReadLoad, 'kernel' | 'initrd' | 'commandLine'>,
): SegmentImage {
  const sizes = { kernelLength: kernel.length, initrdLength: initrd?.length ?? 0 }
  const layout = layOutZImage(machine, zImageNeeds(memoryBytes(kernel)), { commandLine, ...sizes })
  return treeImage(
    machine,
    layout,
    { kernel, initrd, commandLine },
    { flags: kexecArchitecture('arm'), treeLimit: TREE_LIMIT },
  )
}
