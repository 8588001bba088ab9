import { byteOrderOf, familyOf } from '../../system/architecture.ts'
import { engineFor, type ImageEngine } from '../model/engines.ts'
import type { KernelImage } from '../model/image.ts'

/**
 * - 'loadable': kexec_file_load takes the file as it is; or, where `engine` is 'segments', kexec_load takes its layout
 * - 'loadable-unpacked': the same for the kernel in it, which is unpacked first
 * - 'damaged': `damage` has the details; never load it
 * - 'wrong-architecture': it would load on another machine
 * - 'not-loadable': it is not a kernel, or it is one that this version loads with neither engine
 */
export type InspectionVerdict = 'loadable' | 'loadable-unpacked' | 'damaged' | 'wrong-architecture' | 'not-loadable'

/** The conclusion of an inspection. */
export interface Conclusion {
  readonly verdict: InspectionVerdict
  /** The reason, in one sentence without a full stop. */
  readonly verdictReason: string
}

/** The engine that loads an image on a machine. */
export interface InspectedEngine {
  readonly engine: ImageEngine
  /** As `uname -m` prints it. */
  readonly machine: string
  readonly reason: string
}

/** The engine that loads a kernel on a machine, and the reason; 'none' where the kernel is for another machine. */
export function engineOn(machine: string, kernel: KernelImage): InspectedEngine {
  const { engine, reason } = engineFor(kernel)
  const { architecture } = kernel
  if (engine !== 'none' && !runsOn(machine, architecture)) {
    return { engine: 'none', machine, reason: `it is built for ${architecture}, and this machine is ${machine}` }
  }
  if (engine === 'file' && !kernel.bootable) {
    return { engine: 'none', machine, reason: kernel.problems.join('; ') }
  }
  return { engine, machine, reason }
}

/** Byte orders do not count: where the CPU supports both, a kernel of one starts a kernel of the other. */
function runsOn(machine: string, architecture: string | null): boolean {
  if (architecture === null) return false
  const [family, own] = [familyOf(architecture), familyOf(machine)]
  return family === own || (own === 'x86_64' && family === 'i386')
}

/** The conclusion from all facts: the same as `plan` reaches for this file, apart from the machine's policy. */
export function verdictOf(
  nested: readonly KernelImage[],
  kernel: KernelImage,
  damage: readonly unknown[],
  { engine, machine, reason }: InspectedEngine,
): Conclusion {
  const { architecture } = kernel
  if (damage.length > 0) return { verdict: 'damaged', verdictReason: 'it is damaged: do not load it' }
  const choice = engineFor(kernel)
  if (choice.engine === 'none') return { verdict: 'not-loadable', verdictReason: notKernel(nested, kernel) }
  if (!runsOn(machine, architecture)) {
    return { verdict: 'wrong-architecture', verdictReason: reason }
  }
  if (engine === 'none') {
    return { verdict: 'not-loadable', verdictReason: `kexec_file_load does not take it: ${reason}` }
  }
  if (engine === 'segments' && !choice.isLaidOut) {
    const verdictReason = `kexec_file_load does not take it: ${reason}; this version lays out no ${kernel.format} of ${architecture} for kexec_load`
    return { verdict: 'not-loadable', verdictReason }
  }
  const call = engine === 'file' ? 'kexec_file_load takes' : 'kexec_load takes'
  const order =
    byteOrderOf(architecture ?? '') === byteOrderOf(machine) ? '' : ', where the CPU supports its byte order'
  const why = engine === 'file' ? '' : `: ${reason}`
  if (nested.length === 1) {
    const how = engine === 'file' ? 'it as it is' : 'it, laid out in memory'
    return { verdict: 'loadable', verdictReason: `${call} ${how}${order}${why}` }
  }
  const verdictReason =
    engine === 'file'
      ? `kexec_file_load does not take it as it is: the kernel in it is unpacked first, in memory${order}`
      : `${call} the kernel in it, unpacked and laid out in memory${order}${why}`
  return { verdict: 'loadable-unpacked', verdictReason }
}

function notKernel(nested: readonly KernelImage[], kernel: KernelImage): string {
  const problems = kernel.problems.length === 0 ? '' : `: ${kernel.problems.join('; ')}`
  const inside = nested.length === 1 ? '' : `, within ${nested[0]?.description}`
  return `it is not a loadable kernel, but ${kernel.description}${inside}${problems}`
}
