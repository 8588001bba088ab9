import type { FileIdentity } from '../../state/file-identity.ts'
import type { LoadedImage } from '../../state/loaded-image.ts'
import type { LoadRecord } from '../../state/record.ts'
import type { LoadStatus } from '../../system/kexec-state.ts'
import { formatBytes, localTime } from '../../text.ts'
import type { TrialStatus } from '../../trial/status.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'
import { trialWords } from './trial-report.ts'

interface Reported {
  readonly kernel: LoadedImage
  readonly crash: LoadedImage
  readonly trial: TrialStatus
}

/** The loaded kernels and the last trial, for people. */
export function statusReport(held: LoadStatus, { kernel, crash, trial }: Reported): string {
  if (held.supported === false) return 'The running kernel has no kexec.'
  const rows = [...imageRows('kernel', kernel), ...imageRows('crash kernel', crash)]
  if (trial.outcome !== 'none') rows.push(['trial', `${trialWords(trial)}: linux-kexec trial`], ...trialRows(trial))
  if (held.crashSize) rows.push(['crash kernel memory', formatBytes(held.crashSize)])
  // The same source may be missing for both.
  const warnings = new Set([kernel, crash].flatMap(warningsOf))
  const width = lineWidth(stdout)
  const warned = [...warnings].flatMap((warning) =>
    placed(warning, { width, label: 'warning:', labelStyle: 'yellow', hanging: 2 }),
  )
  return [...table(rows, { width }), ...warned].join('\n')
}

/** Which kernel did not pass, and why. */
function trialRows({ outcome, record }: TrialStatus): string[][] {
  if (record === null || !['taken-back', 'failed', 'expired'].includes(outcome)) return []
  const because = record.reason === null ? [] : [['  because', record.reason]]
  return [['  id', record.id], ['  kernel', record.target.kernel], ...because]
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
  unconfirmed: 'loaded, probably by linux-kexec',
  replaced: 'loaded by another program, in place of the one that linux-kexec had loaded',
  foreign: 'loaded by a program other than linux-kexec',
  unknown: 'loaded; by which program is unknown',
  unreadable: 'unknown whether one is loaded',
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
  rows.push(['  when', `${localTime(new Date(record.loadedAt))}, by ${who(record)}`])
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
  const texts = warnings.map(({ text }) => text)
  for (const { path, change } of state === 'replaced' ? [] : stale)
    texts.push(`${path} changed after it was loaded: it ${change}.`)
  const why = evidence.map(({ value }) => value).join('; ')
  if (state === 'unconfirmed') texts.push(`Whether another kernel was loaded since is unknown: ${why}.`)
  if (state === 'replaced' && record !== null)
    texts.push(
      `linux-kexec had loaded ${record.kernel.path} at ${localTime(new Date(record.loadedAt))}. Load it again.`,
    )
  return texts
}
