import type { DeviceTree } from '../../device-tree/tree.ts'
import { readContents, readContentsSync } from '../../engine/contents.ts'
import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import type { SegmentImage } from '../../engine/layout/segments/segment.ts'
import { KexecError } from '../../errors.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import type { Prepared } from './preparation.ts'

/** The parts to load: of the plan, and of its preparation. */
export interface SegmentParts extends Pick<Prepared, 'kernelFd' | 'unpackedKernel' | 'initrdFd'> {
  readonly image: KernelImage
  readonly commandLine: string
  /** Whether all segments are hashed before the new kernel starts. */
  readonly verify: boolean
  readonly panic: boolean
  /** The device tree in place of the running one. */
  readonly deviceTree: DeviceTree | null
  /** Whether kernel and initrd must lie in memory that is free now. */
  readonly inFreeMemory: boolean
}

/**
 * The arguments of kexec_load, made from the preparation.
 * @throws KexecError 'not-readable' where the kernel hides its memory map, 'no-memory-hole', 'file-changed', 'aborted'
 */
export async function buildSegments(
  system: System,
  parts: SegmentParts,
  signal: AbortSignal | undefined,
): Promise<SegmentImage> {
  const { kernelFd, unpackedKernel, initrdFd } = parts
  const kernel = unpackedKernel?.bzImage ?? (await readContents(kernelFd, 'kernel', signal))
  const initrd = initrdFd === -1 ? null : await readContents(initrdFd, 'initrd', signal)
  return build(system, parts, kernel, initrd)
}

/** The same synchronously. */
export function buildSegmentsSync(system: System, parts: SegmentParts): SegmentImage {
  const { kernelFd, unpackedKernel, initrdFd } = parts
  const kernel = unpackedKernel?.bzImage ?? readContentsSync(kernelFd, 'kernel')
  const initrd = initrdFd === -1 ? null : readContentsSync(initrdFd, 'initrd')
  return build(system, parts, kernel, initrd)
}

function build(system: System, parts: SegmentParts, kernel: Buffer, initrd: Buffer | null): SegmentImage {
  const { image, commandLine, verify, unpackedKernel } = parts
  const architecture = segmentArchitecture(image)
  // Plans with such an image are refused much earlier.
  if (architecture === undefined)
    throw new KexecError(`kexec_load is given no ${image.format} here`, { reason: 'not-a-kernel', refused: true })
  // Last, when nothing more is allocated here.
  const machine = architecture.readMachine(system, parts)
  const unpacked = unpackedKernel?.content ?? null
  return architecture.build(machine, { image, commandLine, kernel, unpacked, initrd, verify })
}
