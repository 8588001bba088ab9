import type { CallPolicy, KexecPolicy } from '../../policy/policy.ts'
import { lineWidth, placed } from '../output/layout.ts'
import type { Style } from '../output/style.ts'

const LABEL = 17

/** A policy for people: the effect on a load, then every fact with its source, then the unknown facts. */
export function policyReport(policy: KexecPolicy): string {
  const width = lineWidth()
  const lines = [
    ...call('kexec_file_load', policy.kexecFileLoad, width),
    ...call('kexec_load', policy.kexecLoad, width),
    '',
    ...facts(policy, width),
    ...trustedKeys(policy, width),
  ]
  if (policy.unread.length > 0) lines.push('', 'Unknown:')
  for (const { path, why, adds } of policy.unread) {
    lines.push(...entry('', `${path} (${why}): it would show ${adds}`, width))
  }
  return lines.join('\n')
}

function call(name: string, { mode, why }: CallPolicy, width: number): string[] {
  const colour = mode === 'unchecked' || mode === 'permissive' ? 'green' : mode === 'enforced' ? 'yellow' : 'red'
  return [...entry(name, mode, width, colour), ...entry('', why, width)]
}

function facts({ kernel, reasons }: KexecPolicy, width: number): string[] {
  const running = [kernel.release, kernel.architecture].filter((text) => text !== null).join(', ')
  let last = ''
  const lines = reasons.flatMap(({ subject, text, source, value }) => {
    const label = subject === last ? '' : subject
    last = subject
    // A value that the text already contains is not repeated.
    const quoted = text.includes(value) ? source : `${source}: ${value}`
    return [...entry(label, text, width), ...entry('', quoted, width, 'dim')]
  })
  return [...(running === '' ? [] : entry('running', running, width)), ...lines]
}

/** The keyrings that could vouch for a kernel, by name. */
function trustedKeys({ keyrings: { keys } }: KexecPolicy, width: number): string[] {
  return keys.flatMap(({ description, keyId, keyring }, index) =>
    keyring === 'other'
      ? []
      : entry(index === 0 ? 'keys' : '', `${description || 'no name'} (${keyring}), ${keyId}`, width),
  )
}

function entry(label: string, text: string, width: number, style?: Style): string[] {
  return placed(text, { width, label, column: LABEL, style })
}
