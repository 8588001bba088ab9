import type { DeviceTree } from '../../device-tree/tree.ts'
import { readContents, readContentsSync } from '../../engine/contents.ts'
import { segmentArchitecture } from '../../engine/layout/architectures.ts'
import type { PlannedSegment, SegmentImage } from '../../engine/layout/segments/segment.ts'
import { KexecError } from '../../errors.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import { plannedSizes } from '../checks/sizes.ts'
import type { InitrdChoice } from '../context/initrds.ts'
import { innerSource, type PlannedKernel } from '../context/kernel.ts'
import type { Prepared } from '../loading/preparation.ts'
import type { Findings } from '../model/decision.ts'

/** What is to be laid out. */
export interface SegmentChoices
  extends Pick<SegmentParts, 'commandLine' | 'verify' | 'panic' | 'deviceTree' | 'inFreeMemory'> {
  readonly kernel: PlannedKernel
  readonly choice: InitrdChoice
}

/**
 * Where everything would lie, by the sizes that are known before anything is unpacked or joined. What cannot be known without
 * privilege is left unchecked, and what cannot be is refused.
 */
export function planSegments(
  system: System,
  { kernel, choice, commandLine, verify, panic, deviceTree, inFreeMemory }: SegmentChoices,
  findings: Findings,
): readonly PlannedSegment[] | null {
  const { image } = kernel
  const source = image.setupHeader === null ? innerSource(kernel) : kernel.file.source
  const architecture = segmentArchitecture(image)
  if (architecture === undefined) return null
  const { kernelFile: kernelLength, initrdBytes: initrdLength } = plannedSizes(kernel, choice)
  try {
    const machine = architecture.readMachine(system, { panic, deviceTree, inFreeMemory })
    return architecture.layOut(machine, { image, source, commandLine, kernelLength, initrdLength, verify })
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    if (error.reason === 'not-readable' || error.reason === 'not-found') {
      findings.leaveUnchecked(`where the segments would lie: ${error.summary} (${error.path})`)
    } else if (!findings.refusals.some(({ reason }) => reason === error.reason)) {
      findings.refuse(error)
    }
    return null
  }
}

/** What is loaded: of the plan, and of what was prepared for it. */
export interface SegmentParts extends Pick<Prepared, 'kernelFd' | 'unpackedKernel' | 'initrdFd'> {
  readonly image: KernelImage
  readonly commandLine: string
  /** Whether all of it is hashed before the new kernel starts. */
  readonly verify: boolean
  readonly panic: boolean
  /** In place of the running one. */
  readonly deviceTree: DeviceTree | null
  /** Whether kernel and initrd are to lie in memory that is free now. */
  readonly inFreeMemory: boolean
}

/**
 * What kexec_load takes, of what was prepared.
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

/** The same at once. */
export function buildSegmentsSync(system: System, parts: SegmentParts): SegmentImage {
  const { kernelFd, unpackedKernel, initrdFd } = parts
  const kernel = unpackedKernel?.bzImage ?? readContentsSync(kernelFd, 'kernel')
  const initrd = initrdFd === -1 ? null : readContentsSync(initrdFd, 'initrd')
  return build(system, parts, kernel, initrd)
}

function build(system: System, parts: SegmentParts, kernel: Buffer, initrd: Buffer | null): SegmentImage {
  const { image, commandLine, verify, unpackedKernel } = parts
  const architecture = segmentArchitecture(image)
  // Plans with such an image are refused long before.
  if (architecture === undefined)
    throw new KexecError(`kexec_load is given no ${image.format} here`, { reason: 'not-a-kernel', refused: true })
  // Last, when nothing more is allocated here.
  const machine = architecture.readMachine(system, parts)
  const unpacked = unpackedKernel?.content ?? null
  return architecture.build(machine, { image, commandLine, kernel, unpacked, initrd, verify })
}
