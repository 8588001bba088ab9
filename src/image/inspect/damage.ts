import { payloadProblems } from '../formats/bzimage.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import type { Layer } from '../unpack/nested.ts'
import type { Integrity } from './integrity.ts'

/** Something that is wrong with the bytes. */
export interface Damage {
  /** One sentence; where images hold each other, with the name of the one it is about. */
  readonly problem: string
  /** Whether the kernel at the innermost is shorter than its header says. */
  readonly isCutOff: boolean
}

/**
 * What is wrong with the bytes. Of a kernel that is cut off, that alone: all else follows from it.
 * @param kernelSize bytes of the innermost, where that is known
 */
export function damageOf(
  layers: readonly Layer[],
  kernelSize: number | null,
  { checks }: Integrity,
  reports: readonly SignatureReport[],
): readonly Damage[] {
  const missing = missingOf(layers, kernelSize)
  const problems: string[] = []
  for (const [index, layer] of layers.entries()) {
    const found = [
      ...layerDamage(layer),
      ...checks.flatMap(({ layer: of, passed, problem }) =>
        of === index && passed === false && problem ? [problem] : [],
      ),
    ]
    problems.push(...found.map((problem) => named(layers, layer, problem)))
  }
  if (missing !== null && problems.length === 0) return [{ problem: missing, isCutOff: true }]
  for (const { verdict, problems: general, signatures } of reports) {
    if (verdict === 'damaged') problems.push(...general, ...signatures.flatMap((signature) => signature.problems))
  }
  const damage = [...new Set(problems)].map((problem) => ({ problem, isCutOff: false }))
  return missing === null ? damage : [{ problem: missing, isCutOff: true }, ...damage]
}

function named(layers: readonly Layer[], { image }: Layer, problem: string): string {
  return layers.length === 1 ? problem : `${image.format}: ${problem}`
}

/** What is missing of the innermost, or null. */
function missingOf(layers: readonly Layer[], kernelSize: number | null): string | null {
  const last = layers.at(-1)
  const least = last?.image.minimumSize ?? null
  if (last === undefined || last.contents !== null || least === null || kernelSize === null || kernelSize >= least)
    return null
  const whose = layers.length === 1 ? 'the file' : 'it'
  return named(layers, last, `it is truncated: ${whose} has ${kernelSize} bytes where its header asks for ${least}`)
}

/** A container that contradicts itself is damaged; what only lacks a feature is not. */
function layerDamage({ image, contents }: Layer): readonly string[] {
  if (contents !== null) return [...new Set([...image.problems, ...contents.problems])]
  return image.setupHeader === null ? [] : payloadProblems(image.setupHeader)
}
