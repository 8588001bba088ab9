import { readContents, readContentsSync } from '../engine/segments/contents.ts'
import type { PlannedSegment, SegmentImage } from '../engine/segments/segment.ts'
import { buildX86, isX86Loadable, layOutX86, readX86Machine, x86KernelOf } from '../engine/segments/x86_64.ts'
import { KexecError } from '../errors.ts'
import type { System } from '../system/system.ts'
import { plannedSizes } from './checks/sizes.ts'
import type { Findings } from './decision.ts'
import type { InitrdChoice } from './initrds.ts'
import { innerSource, type PlannedKernel } from './kernel.ts'
import type { Prepared } from './preparation.ts'

/**
 * Where everything would lie, by the sizes that are known before anything is unpacked or joined. What cannot be known without
 * privilege is left unchecked, and what cannot be is refused.
 */
export function planSegments(
  system: System,
  kernel: PlannedKernel,
  choice: InitrdChoice,
  commandLine: string,
  findings: Findings,
): readonly PlannedSegment[] | null {
  // What is no kernel, or not all of one, was refused already.
  const source = kernel.image.setupHeader === null ? innerSource(kernel) : kernel.file.source
  if (!isX86Loadable(kernel.image) || source === null) return null
  const initrdLength = plannedSizes(kernel, choice).initrdBytes
  try {
    const laidOut = x86KernelOf(kernel.image, source)
    return layOutX86(readX86Machine(system), { kernel: laidOut, commandLine, initrdLength })
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

/**
 * What kexec_load takes, of what was prepared.
 * @throws KexecError 'not-readable' where the kernel hides its memory map, 'no-memory-hole', 'file-changed', 'aborted'
 */
export async function buildSegments(
  system: System,
  { kernelFd, initrdFd }: Prepared,
  commandLine: string,
  signal: AbortSignal | undefined,
): Promise<SegmentImage> {
  const machine = readX86Machine(system)
  const kernel = await readContents(kernelFd, 'kernel', signal)
  const initrd = initrdFd === -1 ? null : await readContents(initrdFd, 'initrd', signal)
  return buildX86(machine, kernel, initrd, commandLine)
}

/** The same at once. */
export function buildSegmentsSync(system: System, { kernelFd, initrdFd }: Prepared, commandLine: string): SegmentImage {
  const machine = readX86Machine(system)
  const kernel = readContentsSync(kernelFd, 'kernel')
  const initrd = initrdFd === -1 ? null : readContentsSync(initrdFd, 'initrd')
  return buildX86(machine, kernel, initrd, commandLine)
}
