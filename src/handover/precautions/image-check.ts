import { KexecError } from '../../errors.ts'
import { type LoadedImage, loadedImages } from '../../state/loaded-image.ts'
import type { System } from '../../system/system.ts'

/**
 * Whether the loaded image is the intended one.
 * @param options.staleOk start it although its files have changed since, or another program has loaded over it
 * @returns remarks on it, one sentence each
 * @throws KexecError 'image-replaced' or 'image-stale'
 */
export function checkImage(system: System, { staleOk = false }: { staleOk?: boolean | undefined } = {}): string[] {
  const { kernel } = loadedImages({ system })
  const refusal = replaced(kernel) ?? stale(kernel)
  if (refusal === undefined) return warnings(kernel)
  if (!staleOk) throw refusal
  return [...warnings(kernel), `${sentence(refusal.summary)} It is started all the same (--stale-ok).`]
}

function replaced({ state, record, evidence }: LoadedImage): KexecError | undefined {
  if (state !== 'replaced' || record === null) return undefined
  return new KexecError(
    'the loaded image is not the one that linux-kexec loaded: someone else has loaded another since',
    {
      reason: 'image-replaced',
      hint: `Ours was ${record.kernel.path}, loaded ${record.loadedAt}. Load it again, or start what is there: --stale-ok`,
      evidence,
      refused: true,
    },
  )
}

function stale({ stale: files }: LoadedImage): KexecError | undefined {
  const [first, ...others] = files
  if (first === undefined) return undefined
  const more = others.length === 0 ? '' : `, and ${others.length} more of its files changed`
  return new KexecError(`the loaded image is older than its files: ${first.path} ${first.change}${more}`, {
    reason: 'image-stale',
    path: first.path,
    hint: 'Load it again, or start what is loaded: --stale-ok',
    evidence: files.map(({ path, change }) => ({ source: path, value: change })),
    refused: true,
  })
}

function warnings({ state, evidence, warnings: told }: LoadedImage): string[] {
  const why = evidence.map(({ value }) => value).join('; ')
  if (state === 'foreign') return ['The loaded image was not loaded by linux-kexec: nothing is known of it.']
  if (state === 'unconfirmed') return [`Whether the loaded image is still ours cannot be told: ${why}.`]
  return [...told]
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
