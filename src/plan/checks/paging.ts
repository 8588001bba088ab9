import { PAGING, pagingLevels } from '../../image/bzimage.ts'
import type { KernelImage } from '../../image/index.ts'
import type { System } from '../../system/system.ts'
import type { Findings } from '../decision.ts'
import { readRunningKernel } from './running-kernel.ts'

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

/** Since when kernels that use 5 levels were seen to reset the machine on the way to 4: 6.1 was not, 6.12 was. */
const RESETS_SINCE = 6012

/** Whether the new kernel uses 4 levels of page tables, and the running one 5. */
export function leavesFiveLevels(system: System, image: KernelImage, commandLine: string): boolean {
  return (pagingOf(image) === pagingLevels.left || isTurnedOff(commandLine)) && usesFiveLevels(system)
}

function isTurnedOff(commandLine: string): boolean {
  return /(^|\s)no5lvl(\s|$)/.test(commandLine)
}

/** Warns when the new kernel has to leave the page tables of the running one: the syscall takes it, and it may not come up. */
export function checkPagingLeft(system: System, image: KernelImage, commandLine: string, findings: Findings): void {
  const paging = pagingOf(image)
  const isOff = isTurnedOff(commandLine)
  if (paging === undefined || paging === pagingLevels.unknown || !(isOff || paging === pagingLevels.left)) return
  const { series } = readRunningKernel(system)
  if ((series !== null && series < RESETS_SINCE) || !usesFiveLevels(system)) return
  const why = isOff ? 'no5lvl is on its command line' : 'it was built without CONFIG_X86_5LEVEL'
  findings.warn(
    `the new kernel uses 4 levels of page tables (${why}) and the running one 5 (la57): machines were seen to reset on that way; boot the running kernel with no5lvl first`,
  )
}

/** A vmlinux starts on the page tables of the running kernel, and has no header that says which it knows. */
export function checkPagingOfVmlinux(system: System, { format, architecture }: KernelImage, findings: Findings): void {
  if (format !== 'vmlinux' || architecture !== 'x86_64' || !usesFiveLevels(system)) return
  findings.leaveUnchecked(
    'whether this vmlinux was built with CONFIG_X86_5LEVEL: the running kernel uses 5 levels of page tables (la57), and without it the new one does not come up',
  )
}
