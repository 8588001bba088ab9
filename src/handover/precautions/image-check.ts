import { KexecError } from '../../errors.ts'
import { flagName } from '../../option-name.ts'
import { type LoadedImage, loadedImages } from '../../state/loaded-image.ts'
import type { System } from '../../system/system.ts'
import { localTime } from '../../text.ts'
import type { HandoverWarning } from '../contract/remarks.ts'

/**
 * Whether the loaded image is the intended one.
 * @param options.staleOk start it although its files have changed since, or another program has loaded over it
 * @returns warnings about it
 * @throws KexecError 'image-replaced' or 'image-stale'
 */
export function checkImage(
  system: System,
  { staleOk = false }: { staleOk?: boolean | undefined } = {},
): HandoverWarning[] {
  const { kernel } = loadedImages({ system })
  const refusal = replaced(kernel) ?? stale(kernel)
  if (refusal === undefined) return warnings(kernel)
  if (!staleOk) throw refusal
  const code = refusal.reason === 'image-replaced' ? 'image-replaced' : 'image-stale'
  return [
    ...warnings(kernel),
    { code, text: `${sentence(refusal.summary)} It is started anyway (${flagName('stale-ok')}).` },
  ]
}

function replaced({ state, record, evidence }: LoadedImage): KexecError | undefined {
  if (state !== 'replaced' || record === null) return undefined
  return new KexecError(
    'the loaded kernel is not the one that linux-kexec loaded: another program has loaded another since',
    {
      reason: 'image-replaced',
      hint: `linux-kexec had loaded ${record.kernel.path} at ${localTime(new Date(record.loadedAt))}. Load it again, or start the other one with ${flagName('stale-ok')}.`,
      evidence,
      refused: true,
    },
  )
}

function stale({ stale: files }: LoadedImage): KexecError | undefined {
  const [first, ...others] = files
  if (first === undefined) return undefined
  const more = others.length === 0 ? '' : `, and ${others.length} more of its files changed`
  return new KexecError(`the loaded kernel is older than its files: ${first.path} ${first.change}${more}`, {
    reason: 'image-stale',
    path: first.path,
    hint: `Load it again, or start it as it is with ${flagName('stale-ok')}.`,
    evidence: files.map(({ path, change }) => ({ source: path, value: change })),
    refused: true,
  })
}

function warnings({ state, evidence, warnings: own }: LoadedImage): HandoverWarning[] {
  const why = evidence.map(({ value }) => value).join('; ')
  if (state === 'foreign')
    return [{ code: 'image-foreign', text: 'The loaded kernel was not loaded by linux-kexec: its version is unknown.' }]
  if (state === 'unconfirmed') {
    const text = `Whether the loaded kernel is still the one that linux-kexec loaded is unknown: ${why}.`
    return [{ code: 'image-unconfirmed', text }]
  }
  return [...own]
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
