import { payloadProblems } from '../formats/bzimage.ts'
import type { SignatureReport } from '../signature/cms/report.ts'
import type { Layer } from '../unpack/nested.ts'
import type { Integrity } from './integrity.ts'

/** Damage in the bytes. */
export interface Damage {
  /** One sentence; for nested images, with the name of the damaged one. */
  readonly problem: string
  /** Whether the innermost kernel is shorter than its header says. */
  readonly isCutOff: boolean
}

/**
 * The damage in the bytes. For a truncated kernel only that, since it causes the rest.
 * @param kernelSize bytes of the innermost kernel, where known
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

/** The missing part of the innermost kernel, or null. */
function missingOf(layers: readonly Layer[], kernelSize: number | null): string | null {
  const last = layers.at(-1)
  const least = last?.image.minimumSize ?? null
  if (last === undefined || last.contents !== null || least === null || kernelSize === null || kernelSize >= least)
    return null
  const whose = layers.length === 1 ? 'the file' : 'it'
  return named(layers, last, `it is truncated: ${whose} has ${kernelSize} bytes where its header asks for ${least}`)
}

/** A container that contradicts itself is damaged; one that only lacks a feature is not. */
function layerDamage({ image, contents }: Layer): readonly string[] {
  if (contents !== null) return [...new Set([...image.problems, ...contents.problems])]
  return image.setupHeader === null ? [] : payloadProblems(image.setupHeader)
}
