import { hasParameter } from '../../cmdline/look-up.ts'
import { PAGING, pagingLevels } from '../../image/formats/bzimage.ts'
import type { KernelImage } from '../../image/model/image.ts'
import type { System } from '../../system/system.ts'
import { readRunningKernel } from '../context/running-kernel.ts'
import type { Findings } from '../model/decision.ts'

/** What tells that the running kernel uses 5 levels of page tables: the flag goes away when it does not. */
export const FIVE_LEVELS = [{ source: '/proc/cpuinfo flags', value: 'la57' }]

/** One CPU tells of all: its flags come within the first bytes. */
const FIRST_CPU = 16 * 1024

/** The flags of the first CPU; none where they are not known, and on other machines than x86. */
export function readFlags(system: System): ReadonlySet<string> {
  try {
    const text = system.readHead('/proc/cpuinfo', FIRST_CPU).toString('latin1')
    return new Set(/^flags\s*:(.*)$/m.exec(text)?.[1]?.trim().split(' '))
  } catch {
    return new Set()
  }
}

/** False also where it is not known, and on other machines than x86. */
export function usesFiveLevels(system: System): boolean {
  return readFlags(system).has('la57')
}

/** What an x86 kernel says of 5-level paging, one of `pagingLevels`; undefined of others. */
export function pagingOf({ facts }: KernelImage): string | undefined {
  return facts.find(({ name }) => name === PAGING)?.value
}

/** Whether the new kernel uses 4 levels of page tables, and the running one 5. */
export function leavesFiveLevels(system: System, image: KernelImage, commandLine: string): boolean {
  return whyFourLevels(image, commandLine) !== null && usesFiveLevels(system)
}

/**
 * Since when kernels mark the first entry of the page tables that they hand over (_PAGE_NOPTISHADOW, 6.13, and 6.12 by an update):
 * some trip over the mark when they go from 5 levels to 4, and reset the machine. Seen with 5.10.262; 6.1.176, 6.12.107 and 7.2 come
 * up. Debian's 6.1 does not mark it.
 */
const MARKS_SINCE = 6012

/**
 * Why the new kernel may trip over the page tables of the running one on its way from 5 levels to 4; null when it does not. Which
 * kernels are mended no header tells. The engine `segments` takes the mark away.
 */
export function whyItMayTrip(system: System, image: KernelImage, commandLine: string): string | null {
  const why = whyFourLevels(image, commandLine)
  if (why === null || !usesFiveLevels(system)) return null
  const { series } = readRunningKernel(system)
  return series !== null && series < MARKS_SINCE ? null : why
}

function whyFourLevels(image: KernelImage, commandLine: string): string | null {
  const paging = pagingOf(image)
  if (paging === undefined || paging === pagingLevels.unknown) return null
  if (hasParameter(commandLine, 'no5lvl')) return 'no5lvl is on its command line'
  return paging === pagingLevels.left ? 'it was built without CONFIG_X86_5LEVEL' : null
}

/** Warns when the new kernel has to leave the page tables of the running one: kexec_file_load takes it, and it may not come up. */
export function checkPagingLeft(system: System, image: KernelImage, commandLine: string, findings: Findings): void {
  const why = whyItMayTrip(system, image, commandLine)
  if (why === null) return
  findings.warn(
    `the new kernel uses 4 levels of page tables (${why}) and the running one 5 (la57): machines were seen to reset on that way; give --engine segments, which keeps it from that, or boot the running kernel with no5lvl first`,
  )
}

/** A vmlinux starts on the page tables of the running kernel, and has no header that says which it knows. */
export function checkPagingOfVmlinux(system: System, { format, architecture }: KernelImage, findings: Findings): void {
  if (format !== 'vmlinux' || architecture !== 'x86_64' || !usesFiveLevels(system)) return
  findings.leaveUnchecked(
    'whether this vmlinux was built with CONFIG_X86_5LEVEL: the running kernel uses 5 levels of page tables (la57), and without it the new one does not come up',
  )
}
