import { KexecError } from '../../errors.ts'
import { flagName } from '../../option-name.ts'
import type { System } from '../../system/system.ts'
import { foreignText } from '../../text.ts'
import type { HandoverWarning } from '../contract/remarks.ts'
import { readAssignments } from './run-files.ts'

/** Where systemd-logind records the locks that programs hold: sd-login's file format, one KEY=VALUE a line. */
const LOCKS = '/run/systemd/inhibit'

/** More locks than any machine has. */
const MAX_LOCKS = 1000

/** The most that are named: any user may hold as many as logind allows. */
const MAX_NAMED = 20

/** A program that blocks a shutdown of the machine: org.freedesktop.login1(5), systemd-inhibit(1). */
export interface Inhibitor {
  readonly who: string
  readonly why: string
  readonly uid: string
  readonly pid: string
}

/** The locks that block a shutdown, without those that only delay one. */
export function blockingInhibitors(system: System): Inhibitor[] {
  const names = system.list(LOCKS).filter((name) => /^\w{1,64}$/.test(name))
  return names.slice(0, MAX_LOCKS).flatMap((name) => {
    const lock = readAssignments(system, `${LOCKS}/${name}`)
    if (lock.get('MODE') !== 'block' || !lock.get('WHAT')?.split(':').includes('shutdown')) return []
    const text = (key: string) => foreignText(lock.get(key) ?? 'unknown')
    return [{ who: text('WHO'), why: text('WHY'), uid: text('UID'), pid: text('PID') }]
  })
}

/**
 * The signal to PID 1 bypasses logind, so its locks are checked here.
 * @throws KexecError 'inhibited', unless they are to be ignored
 * @returns a warning for each ignored lock
 */
export function checkInhibitors(
  system: System,
  { ignore = false }: { ignore?: boolean | undefined } = {},
): HandoverWarning[] {
  const inhibitors = blockingInhibitors(system)
  const [first, ...others] = inhibitors
  if (first === undefined) return []
  const named = inhibitors
    .slice(0, MAX_NAMED)
    .map(({ who, why, uid, pid }) => `${who} (pid ${pid}, uid ${uid}): ${why}`)
  if (ignore) return named.map((lock) => ({ code: 'inhibited', text: `An inhibitor of shutdown is ignored: ${lock}.` }))
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  throw new KexecError(`${first.who} inhibits a shutdown (${first.why})${more}`, {
    reason: 'inhibited',
    hint: `Wait until it has finished, or use ${flagName('ignore-inhibitors')}. \`systemd-inhibit --list\` shows all inhibitors.`,
    evidence: named.map((value) => ({ source: LOCKS, value })),
    refused: true,
  })
}
