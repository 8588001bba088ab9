import { memoryBytes } from '../../../bytes/bytes.ts'
import { MAX_BLOB } from '../../../device-tree/blob.ts'
import type { KernelImage } from '../../../image/model/image.ts'
import { roundUp } from '../../../system/memory-ranges.ts'
import type { ReadLoad } from '../architectures.ts'
import { treeFor, treeImage } from '../device-tree/machine.ts'
import { type Piece, place } from '../segments/placement.ts'
import type { PlannedSegment, SegmentImage } from '../segments/segment.ts'
import { PAGE, type Ppc64Machine } from './machine.ts'
import { HEAD, trampoline } from './trampoline.ts'
import { type Ppc64Kernel, readPpc64Kernel } from './vmlinux.ts'

/** KEXEC_ARCH_PPC64 of include/uapi/linux/kexec.h. */
const ARCHITECTURE = 21 * 2 ** 16

/** What is to be laid out, by size. */
export interface Ppc64Load {
  readonly kernel: Pick<Ppc64Kernel, 'length' | 'size'>
  readonly commandLine: string
  /** Bytes; 0 for none. */
  readonly initrdLength: number
}

/** What tells that an image is one this file can lay out. */
export function isPpc64Loadable({ format, architecture, bootable }: KernelImage): boolean {
  return format === 'vmlinux' && architecture === 'ppc64le' && bootable
}

/**
 * Finds a place for everything: above the running kernel, and above what the new one takes when it has moved itself to 0. All
 * but the initrd lie where processors reach them with their MMU off.
 * @throws KexecError 'no-memory-hole'; 'damaged-image' for a device tree that is too large
 */
export function layOutPpc64(machine: Ppc64Machine, { kernel, commandLine, initrdLength }: Ppc64Load): PlannedSegment[] {
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
 * Makes what kexec_load takes.
 * @throws KexecError as `layOutPpc64`; 'damaged-image', 'truncated-kernel'
 */
export function buildPpc64(
  machine: Ppc64Machine,
  { kernel: file, initrd, commandLine }: Pick<ReadLoad, 'kernel' | 'initrd' | 'commandLine'>,
): SegmentImage {
  const read = readPpc64Kernel(memoryBytes(file))
  const layout = layOutPpc64(machine, { kernel: read, commandLine, initrdLength: initrd?.length ?? 0 })
  const addressOf = (wanted: string) => layout.find(({ name }) => name === wanted)?.address ?? 0
  const kernel = read.bytes()
  const entered = trampoline(kernel, addressOf('device tree'), addressOf('kernel'))
  const contents = { kernel, initrd, commandLine, trampoline: entered }
  return treeImage(machine, layout, contents, { flags: ARCHITECTURE, treeLimit: MAX_BLOB })
}
