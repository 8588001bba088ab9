import { payloadProblems } from './bzimage.ts'
import { engineFor } from './engines.ts'
import type { KernelImage } from './image.ts'
import type { InspectedEngine, Inspection } from './inspection.ts'
import type { Integrity } from './integrity.ts'
import type { Layer } from './nested.ts'
import type { SignatureReport } from './signature/index.ts'

/** Which engine loads a kernel on a machine, and why; 'none' where the machine is another one. */
export function engineOn(machine: string, kernel: KernelImage): InspectedEngine {
  const { engine, reason } = engineFor(kernel)
  if (engine === 'file' && !kernel.bootable) {
    return { engine: 'none', machine, reason: kernel.problems.join('; ') }
  }
  const { architecture } = kernel
  const isOwn = architecture === machine || (machine === 'x86_64' && architecture === 'i386')
  if (engine === 'none' || isOwn) return { engine, machine, reason }
  return { engine: 'none', machine, reason: `it is built for ${architecture}, and this machine is ${machine}` }
}

/** What all that is known comes to. */
export function verdictOf(
  nested: readonly KernelImage[],
  kernel: KernelImage,
  damage: readonly string[],
  { engine, machine, reason }: InspectedEngine,
): Pick<Inspection, 'verdict' | 'verdictReason'> {
  if (damage.length > 0) return { verdict: 'damaged', verdictReason: 'it is damaged: do not load it' }
  if (engineFor(kernel).engine === 'none') return { verdict: 'not-loadable', verdictReason: notKernel(nested, kernel) }
  if (engine === 'none' && kernel.architecture !== machine && kernel.problems.length === 0) {
    return { verdict: 'wrong-architecture', verdictReason: reason }
  }
  if (engine !== 'file') {
    return { verdict: 'not-loadable', verdictReason: `kexec_file_load does not take it: ${reason}` }
  }
  if (nested.length === 1) return { verdict: 'loadable', verdictReason: 'kexec_file_load takes it as it is' }
  const verdictReason = 'kexec_file_load does not take it as it is: the kernel in it is unpacked first, in memory'
  return { verdict: 'loadable-unpacked', verdictReason }
}

function notKernel(nested: readonly KernelImage[], kernel: KernelImage): string {
  const problems = kernel.problems.length === 0 ? '' : `: ${kernel.problems.join('; ')}`
  const inside = nested.length === 1 ? '' : `, within ${nested[0]?.description}`
  return `it is no kernel that any engine loads, but ${kernel.description}${inside}${problems}`
}

/** What is wrong with the bytes; where images hold each other, with the name of the one it is about. */
export function damageOf(
  layers: readonly Layer[],
  { checks }: Integrity,
  reports: readonly SignatureReport[],
): readonly string[] {
  const damage: string[] = []
  for (const [index, layer] of layers.entries()) {
    const found = [
      ...layerDamage(layer),
      ...checks.flatMap(({ layer: of, passed, problem }) =>
        of === index && passed === false && problem ? [problem] : [],
      ),
    ]
    damage.push(...found.map((problem) => (layers.length === 1 ? problem : `${layer.image.format}: ${problem}`)))
  }
  for (const { verdict, problems, signatures } of reports) {
    if (verdict === 'damaged') damage.push(...problems, ...signatures.flatMap((signature) => signature.problems))
  }
  return [...new Set(damage)]
}

/** A container that contradicts itself, and what is shorter than its header says, is damaged; what only lacks a feature is not. */
function layerDamage({ image, contents, source, isWhole }: Layer): readonly string[] {
  if (contents !== null) return [...new Set([...image.problems, ...contents.problems])]
  const isShort = isWhole && image.minimumSize !== null && source.size < image.minimumSize
  const short = isShort ? image.problems.filter((problem) => problem.includes('truncated')) : []
  return [...short, ...(image.setupHeader === null ? [] : payloadProblems(image.setupHeader))]
}
