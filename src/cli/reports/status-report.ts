import type { FileIdentity } from '../../state/file-identity.ts'
import type { LoadedImage } from '../../state/loaded-image.ts'
import type { LoadRecord } from '../../state/record.ts'
import type { LoadStatus } from '../../system/kexec-state.ts'
import { formatBytes } from '../../text.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'

/** The loaded kernels, for people. */
export function statusReport(held: LoadStatus, kernel: LoadedImage, crash: LoadedImage): string {
  if (held.supported === false) return 'The running kernel has no kexec.'
  const rows = [...imageRows('kernel', kernel), ...imageRows('crash kernel', crash)]
  if (held.crashSize) rows.push(['memory reserved for it', formatBytes(held.crashSize)])
  // The same source may be missing for both.
  const warnings = new Set([kernel, crash].flatMap(warningsOf))
  const width = lineWidth(stdout)
  const warned = [...warnings].flatMap((warning) =>
    placed(warning, { width, label: 'warning:', labelStyle: 'yellow', hanging: 2 }),
  )
  return [...table(rows, { width }), ...warned].join('\n')
}

function imageRows(name: string, { state, record }: LoadedImage): string[][] {
  const rows = [[name, meanings[state]]]
  // A replaced kernel is no longer loaded.
  if (record === null || state === 'replaced') return rows
  return [...rows, ...recordRows(record)]
}

const meanings = {
  none: 'not loaded',
  ours: 'loaded by linux-kexec',
  unconfirmed: 'loaded, as far as can be told by linux-kexec',
  replaced: 'loaded, but not by linux-kexec: someone else has loaded another since',
  foreign: 'loaded, but not by linux-kexec',
  unknown: 'loaded; by whom cannot be told',
  unreadable: 'cannot be told whether one is loaded',
} as const satisfies Record<LoadedImage['state'], string>

function recordRows(record: LoadRecord): string[][] {
  const { kernel, initrds, others, overlay, origin } = record
  const rows = [['  version', record.version ?? 'unknown']]
  if (origin.entry !== null) rows.push(['  entry', origin.title === null ? origin.entry : origin.title])
  rows.push(['  file', file(kernel)])
  for (const initrd of initrds) rows.push(['  initrd', file(initrd)])
  for (const other of others) rows.push(['  with', file(other)])
  if (overlay.length > 0) rows.push(['  overlay', overlay.join(', ')])
  rows.push(['  command line', record.commandLine])
  rows.push(['  when', `${record.loadedAt}, by ${who(record)}`])
  return rows
}

function file({ path, size, sha256 }: FileIdentity): string {
  return `${path}, ${formatBytes(size)}${sha256 === null ? '' : `, SHA-256 ${sha256}`}`
}

function who({ by, packageVersion }: LoadRecord): string {
  const user = by.sudoUser === null ? `uid ${by.uid ?? 'unknown'}` : `${by.sudoUser} (sudo)`
  const login = by.loginUid === null || by.loginUid === by.uid ? '' : `, logged in as uid ${by.loginUid}`
  return `${user}${login}, ${by.program}[${by.pid}], linux-kexec ${packageVersion ?? 'of unknown version'}`
}

/** Facts to know before it is started. */
export function warningsOf({ state, stale, record, warnings, evidence }: LoadedImage): string[] {
  const told = [...warnings]
  for (const { path, change } of state === 'replaced' ? [] : stale) told.push(`${path} ${change}, since it was loaded.`)
  const why = evidence.map(({ value }) => value).join('; ')
  if (state === 'unconfirmed') told.push(`Whether another was loaded since cannot be told: ${why}.`)
  if (state === 'replaced' && record !== null)
    told.push(`linux-kexec had loaded ${record.kernel.path} at ${record.loadedAt}. Load it again.`)
  return told
}
