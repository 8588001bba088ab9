import { hasParameter } from '../../cmdline/look-up.ts'
import { PAGING, pagingLevels } from '../../image/formats/bzimage.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { RunningMachine } from './running-machine.ts'

/** Whether the running kernel uses 5 levels of page tables; false where unknown, and on other machines than x86. */
export function usesFiveLevels({ flags }: RunningMachine): boolean {
  return flags.has('la57')
}

/** The support of an x86 kernel for 5-level paging, one of `pagingLevels`; undefined for others. */
export function pagingOf({ facts }: KernelImage): string | undefined {
  return facts.find(({ name }) => name === PAGING)?.value
}

/** Whether the new kernel uses 4 levels of page tables, and the running one 5. */
export function leavesFiveLevels(running: RunningMachine, image: KernelImage, commandLine: string): boolean {
  return whyFourLevels(image, commandLine) !== null && usesFiveLevels(running)
}

/**
 * Kernels since this version mark the first entry of the page tables that they hand over (_PAGE_NOPTISHADOW, 6.13, and
 * 6.12 by an update). Some kernels trip over the mark on the way from 5 levels to 4, and reset the machine. Seen with
 * 5.10.262; 6.1.176, 6.12.107 and 7.2 boot. Debian's 6.1 does not set the mark.
 */
const MARKS_SINCE = 6012

/**
 * Why the new kernel may trip over the page tables of the running one on its way from 5 levels to 4; null when it does
 * not. No header shows whether a kernel has the fix. The engine `segments` takes the mark away.
 */
export function whyItMayTrip(running: RunningMachine, image: KernelImage, commandLine: string): string | null {
  const why = whyFourLevels(image, commandLine)
  if (why === null || !usesFiveLevels(running)) return null
  const { series } = running
  return series !== null && series < MARKS_SINCE ? null : why
}

function whyFourLevels(image: KernelImage, commandLine: string): string | null {
  const paging = pagingOf(image)
  if (paging === undefined || paging === pagingLevels.unknown) return null
  if (hasParameter(commandLine, 'no5lvl')) return 'no5lvl is on its command line'
  return paging === pagingLevels.left ? 'it was built without CONFIG_X86_5LEVEL' : null
}
