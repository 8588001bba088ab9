import { memoryBytes } from '../../../bytes/bytes.ts'
import { MAX_BLOB } from '../../../device-tree/read.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import { kexecArchitecture } from '../../../system/kexec-abi.ts'
import { roundUp } from '../../../system/memory-ranges.ts'
import { treeFor, treeImage } from '../device-tree/machine.ts'
import type { PlannedLoad, ReadLoad, SegmentArchitecture } from '../segments/architecture.ts'
import { type Piece, place } from '../segments/placement.ts'
import type { PlannedSegment, SegmentImage } from '../segments/segment.ts'
import { PAGE, type Ppc64Machine, readPpc64Machine } from './machine.ts'
import { HEAD, trampoline } from './trampoline.ts'
import { type Ppc64Kernel, readPpc64Kernel } from './vmlinux.ts'

/** Its tree is the firmware's own: no other tree replaces it. */
export const ppc64 = {
  name: 'ppc64',
  hasDeviceTree: false,
  loadsCrashKernels: false,
  verifies: false,
  isLoadable: ({ format, architecture, bootable }: KernelImage) =>
    format === 'vmlinux' && architecture === 'ppc64le' && bootable,
  readMachine: readPpc64Machine,
  layOut,
  build,
} satisfies SegmentArchitecture<Ppc64Machine>

type Ppc64Load = Pick<PlannedLoad, 'commandLine' | 'initrdLength'>

/** @returns null while the kernel is not unpacked */
function layOut(machine: Ppc64Machine, { source, ...load }: Ppc64Load & Pick<PlannedLoad, 'source'>) {
  return source && layOutKernel(machine, readPpc64Kernel(source), load)
}

/**
 * Finds a place for everything: above the running kernel, and above the space of the new one after it has moved itself
 * to 0. All but the initrd lie where processors reach them with their MMU off.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a device tree that is too large
 */
function layOutKernel(
  machine: Ppc64Machine,
  kernel: Pick<Ppc64Kernel, 'length' | 'size'>,
  { commandLine, initrdLength }: Ppc64Load,
): PlannedSegment[] {
  const lowest = Math.max(machine.kernelEnd, kernel.size)
  const piece = (name: string, length: number, size = length): Piece => ({
    name,
    length,
    size: roundUp(size, PAGE),
    alignment: PAGE,
    lowest,
    limit: machine.realModeEnd,
  })
  const treeLength = treeFor(machine, commandLine, { address: 0, length: initrdLength }, MAX_BLOB).length
  const pieces = [
    piece('kernel', kernel.length, kernel.size),
    piece('device tree', treeLength),
    piece('trampoline', TRAMPOLINE_LENGTH),
    ...(initrdLength > 0 ? [{ ...piece('initrd', initrdLength), limit: Number.POSITIVE_INFINITY }] : []),
  ]
  return place(pieces, machine.usable)
}

const TRAMPOLINE_LENGTH = trampoline(Buffer.alloc(HEAD), 0, 0).length

/**
 * Makes the arguments of kexec_load.
 * @throws KexecError as `layOut`; 'damaged-image', 'truncated-kernel'
 */
function build(
  machine: Ppc64Machine,
  { kernel: file, initrd, commandLine }: Pick<ReadLoad, 'kernel' | 'initrd' | 'commandLine'>,
): SegmentImage {
  const read = readPpc64Kernel(memoryBytes(file))
  const layout = layOutKernel(machine, read, { commandLine, initrdLength: initrd?.length ?? 0 })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const kernel = read.bytes()
  const entered = trampoline(kernel, addressOf('device tree'), addressOf('kernel'))
  const contents = { kernel, initrd, commandLine, trampoline: entered }
  return treeImage(machine, layout, contents, { flags: kexecArchitecture('ppc64'), treeLimit: MAX_BLOB })
}
