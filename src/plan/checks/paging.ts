import type { KernelImage } from '../../image/model/image.ts'
import { optionName } from '../../option-name.ts'
import { usesFiveLevels, whyItMayTrip } from '../context/paging.ts'
import type { RunningMachine } from '../context/running-machine.ts'
import { type Remark, remarksOn } from '../model/remark.ts'

const { warning, unchecked } = remarksOn('engine')

/**
 * Warns when the new kernel has to leave the page tables of the running one: kexec_file_load takes it, but it may not
 * boot.
 */
export function checkPagingLeft(running: RunningMachine, image: KernelImage, commandLine: string): Remark[] {
  const why = whyItMayTrip(running, image, commandLine)
  if (why === null) return []
  return [
    warning(
      'paging-levels',
      `the new kernel uses 4 levels of page tables (${why}) and the running one 5 (la57): machines were seen to reset in this case; give ${optionName('engine', 'segments')}, which avoids this, or boot the running kernel with no5lvl first`,
    ),
  ]
}

/** A vmlinux starts on the page tables of the running kernel, and no header shows which kinds it supports. */
export function checkPagingOfVmlinux(running: RunningMachine, { format, architecture }: KernelImage): Remark[] {
  if (format !== 'vmlinux' || architecture !== 'x86_64' || !usesFiveLevels(running)) return []
  return [
    unchecked(
      'paging-levels',
      'whether this vmlinux was built with CONFIG_X86_5LEVEL: the running kernel uses 5 levels of page tables (la57), and without it the new one does not come up',
    ),
  ]
}
