import type { KernelImage } from '../../image/model/image.ts'
import { architectures } from '../../system/architecture.ts'
import { kexecArchitecture } from '../../system/kexec-abi.ts'
import type { Resource } from '../../system/memory-map.ts'
import { type MemoryRange, roundUp } from '../../system/memory-ranges.ts'
import type { System } from '../../system/system.ts'
import { readTreeMachine, type TreeMachine, treeFor, treeImage } from './device-tree/machine.ts'
import type { PlannedLoad, ReadLoad, SegmentArchitecture } from './segments/architecture.ts'
import { impossiblePlace, type Piece, place } from './segments/placement.ts'
import type { MachineOptions, PlannedSegment, SegmentImage } from './segments/segment.ts'

const PAGE: number = architectures.riscv64.largestPage

/** Documentation/arch/riscv/boot.rst, "Kernel location": aligned to a PMD, which is 2 MiB on rv64. */
const KERNEL_ALIGNMENT = 2 * 2 ** 20

/** The kernel maps the 2 MiB that the tree begins in and the 2 MiB behind it (create_fdt_early_page_table, arch/riscv/mm/init.c). */
const TREE_LIMIT = 2 * 2 ** 20

export const riscv64 = {
  name: 'riscv64',
  hasDeviceTree: true,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: ({ format, bootable, imageHeader }: KernelImage) =>
    format === 'riscv Image' && bootable && imageHeader !== null,
  readMachine: (system: System, { deviceTree }: Pick<MachineOptions, 'deviceTree'>) =>
    readTreeMachine(system, deviceTree, PAGE, kernelBlocks),
  layOut,
  build,
} satisfies SegmentArchitecture<TreeMachine>

type Riscv64Load = Pick<PlannedLoad, 'image' | 'commandLine' | 'kernelLength' | 'initrdLength'>

/**
 * The running kernel's own memory, which is free once the new kernel runs: its image, and its reservations to fill the
 * blocks of 2 MiB that it maps itself by (setup_bootmem of arch/riscv/mm/init.c).
 */
function kernelBlocks(resources: readonly Resource[]): MemoryRange[] {
  const images = resources.filter(({ name, depth }) => name === 'Kernel image' && depth > 0)
  return images.map(({ start, end }) => ({
    start: Math.floor(start / KERNEL_ALIGNMENT) * KERNEL_ALIGNMENT,
    end: roundUp(end, KERNEL_ALIGNMENT),
  }))
}

/**
 * Finds a place for everything. The kernel goes as low as possible, and all else above it: kernels before 6.4 use no
 * memory below themselves.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a header with impossible numbers, or a device tree that is too large
 */
function layOut(machine: TreeMachine, load: Riscv64Load): PlannedSegment[] {
  const { commandLine, initrdLength } = load
  const placed = place([kernelPiece(load)], machine.usable)
  const [{ address, size }] = placed as [PlannedSegment]
  const treeLength = treeFor(machine, commandLine, { address: 0, length: initrdLength }, TREE_LIMIT).length
  const above = { lowest: address + size, limit: Number.POSITIVE_INFINITY, alignment: PAGE }
  const pieces: Piece[] = [
    { ...above, name: 'device tree', length: treeLength, size: roundUp(treeLength, PAGE), alignment: TREE_LIMIT },
  ]
  if (initrdLength > 0) {
    pieces.push({ ...above, name: 'initrd', length: initrdLength, size: roundUp(initrdLength, PAGE) })
  }
  return [...placed, ...place(pieces, machine.usable)]
}

function kernelPiece({ image, kernelLength }: Riscv64Load): Piece {
  const { memoryNeeded, imageHeader } = image
  const offset = imageHeader?.textOffset ?? null
  if (memoryNeeded === null || offset === null || offset % KERNEL_ALIGNMENT !== 0) {
    throw impossiblePlace({ image_size: memoryNeeded, text_offset: offset })
  }
  const length = Math.min(kernelLength, memoryNeeded)
  const anywhere = { lowest: 0, limit: Number.POSITIVE_INFINITY, alignment: KERNEL_ALIGNMENT }
  return { ...anywhere, name: 'kernel', length, size: roundUp(memoryNeeded, PAGE) }
}

/**
 * Makes the arguments of kexec_load. There is no trampoline: the running kernel finds the device tree among the
 * segments, and enters the new one by the boot protocol, with the number of its hart in a0 and the tree's address in a1
 * (arch/riscv/kernel/machine_kexec.c, kexec_relocate.S).
 * @throws KexecError as `layOut`
 */
function build(
  machine: TreeMachine,
  { image, kernel, initrd, commandLine }: Pick<ReadLoad, 'image' | 'kernel' | 'initrd' | 'commandLine'>,
): SegmentImage {
  const sizes = { kernelLength: kernel.length, initrdLength: initrd?.length ?? 0 }
  const layout = layOut(machine, { image, commandLine, ...sizes })
  return treeImage(
    machine,
    layout,
    { kernel, initrd, commandLine },
    { flags: kexecArchitecture('riscv64'), treeLimit: TREE_LIMIT },
  )
}
