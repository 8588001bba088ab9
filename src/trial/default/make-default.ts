import { readBootMenu } from '../../entries/discover.ts'
import type { BootLoader, BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { KexecError } from '../../errors.ts'
import { Lock } from '../../state/lock.ts'
import type { System } from '../../system/system.ts'
import { CHANGED_LOADERS, candidatesFor, environmentBlocks } from '../loader/candidates.ts'
import { makeChange, undoChange, valueIn, withValue } from '../loader/change.ts'
import { OverlaidSystem } from '../loader/overlaid-system.ts'
import type { LoaderChange } from '../model/loader-change.ts'
import type { TrialRecord } from '../model/trial.ts'
import { TrialRecords } from '../record/records.ts'
import { refuse } from '../refuse.ts'
import { certainDefault, isByAccident } from '../rollback.ts'
import { statusOf, trialStatus } from '../status.ts'
import { findTried, startsTheSame } from './tried-entry.ts'

/** How the entry of a trial is the default. */
export interface MadeDefault {
  /** The id of the entry. */
  readonly entry: string
  readonly title: string
  /** What was changed for it; null when it was the default already. */
  readonly change: LoaderChange | null
}

/**
 * Whether the entry of the running trial can be made the default, before the trial is confirmed. Writes nothing. A trial
 * that cannot be confirmed is not looked at: its confirmation is refused for a reason of its own.
 * @throws KexecError 'default-unchanged' (refused)
 */
export async function checkDefault(system: System): Promise<void> {
  const { record, isRunning, outcome, differences } = trialStatus(system)
  const isMeant = isRunning && (outcome === 'running' || outcome === 'confirmed')
  if (record !== null && isMeant && differences.length === 0) await planDefault(system, record)
}

/**
 * Makes the entry of a confirmed trial, whose kernel is running, the default of the boot loader. It is evaluated before and
 * after; a change that does not lead there is taken back. It may be called again after an interruption.
 *
 * The confirmation comes first: a default is never changed for a kernel that is then not confirmed. A power cut between the
 * two starts the former default, while the record says that the trial was confirmed.
 * @throws KexecError 'default-unchanged', 'io', 'busy', 'no-trial', 'not-the-trial', 'trial-state'; the trial stays confirmed
 */
export async function makeDefault(system: System): Promise<MadeDefault> {
  const lock = await Lock.take(system, 'trial')
  try {
    const record = confirmedTrial(system)
    const { entry, change } = await planDefault(system, record)
    if (change !== null) {
      makeChange(system, change)
      const problem = await whyNot(system, entry)
      if (problem !== null) {
        undoChange(system, change)
        throw unchanged(`'${entry.title}' is not what the boot loader boots after the change: ${problem}`)
      }
    }
    return { entry: entry.id, title: entry.title, change }
  } catch (error) {
    throw afterConfirmation(error)
  } finally {
    lock.release()
  }
}

function confirmedTrial(system: System): TrialRecord {
  const records = new TrialRecords(system)
  const status = statusOf(system, records.latest(), records)
  const { record, outcome, isRunning, differences } = status
  if (record === null || outcome !== 'confirmed' || !isRunning) throw refuse(status, 'running')
  if (differences.length > 0) throw refuse({ ...status, outcome: 'running' }, 'running')
  return record
}

interface PlannedDefault {
  readonly entry: BootEntry
  /** Null when it is the default already. */
  readonly change: LoaderChange | null
}

async function planDefault(system: System, record: TrialRecord): Promise<PlannedDefault> {
  const menu = await readBootMenu({ system })
  const entry = findTried(menu, record)
  const loader = menu.loaders.find(({ inCharge }) => inCharge)
  if (loader === undefined) throw unchanged('no boot loader was found')
  if ((await whyNot(system, entry)) === null) return { entry, change: null }
  const candidates = candidatesFor(system, { menu, loader, entry, isLasting: true })
  if (candidates === undefined)
    throw unchanged(
      `linux-kexec can change the default of ${CHANGED_LOADERS} only, and this machine boots with ${loader.config} (${loader.source})`,
    )
  for (const { change, content } of candidates.list) {
    const changed = new OverlaidSystem(system.root, change.path, content)
    const then = await readBootMenu({ system: changed })
    if (whyNotOf(changed, then, entry) === null) return { entry, change }
  }
  throw unchanged(`'${entry.title}' cannot be made the default: ${candidates.none}`, remedyFor(loader))
}

/** Why the boot loader would not boot an entry until another is chosen; null when it would. */
async function whyNot(system: System, entry: BootEntry): Promise<string | null> {
  const menu = await readBootMenu({ system })
  const lasting = withoutOneShot(system, menu)
  return whyNotOf(lasting, lasting === system ? menu : await readBootMenu({ system: lasting }), entry)
}

function whyNotOf(system: System, menu: BootMenu, entry: BootEntry): string | null {
  const found = certainDefault(system, menu)
  if (!('entry' in found)) return found.text
  if (isByAccident(menu)) return `the default of ${found.loader.config} names no entry`
  return startsTheSame(found.entry, entry) ? null : `it boots '${found.entry.title}'`
}

/** The machine as GRUB finds it once it has booted the entry that was chosen for one boot. */
function withoutOneShot(system: System, { loaders }: BootMenu): System {
  const loader = loaders.find(({ inCharge }) => inCharge)
  if (loader?.source !== 'grub') return system
  for (const { path, content } of environmentBlocks(system, loader)) {
    const without = valueIn(content, 'next_entry') ? withValue(content, 'next_entry', null) : ''
    if (typeof without !== 'string') return new OverlaidSystem(system.root, path, without)
  }
  return system
}

function remedyFor({ source }: BootLoader): string {
  if (source === 'grub')
    return 'Set GRUB_DEFAULT=saved in /etc/default/grub, then: update-grub && linux-kexec trial confirm --make-default'
  return 'Choose the default in the boot loader yourself, and confirm without --make-default.'
}

function unchanged(
  summary: string,
  hint = 'Choose the default in the boot loader yourself: linux-kexec list',
): KexecError {
  return new KexecError(summary, { reason: 'default-unchanged', hint, refused: true })
}

/** The same failure, of a trial that is confirmed: something was done, so it is no refusal. */
function afterConfirmation(error: unknown): unknown {
  if (!(error instanceof KexecError) || error.reason !== 'default-unchanged') return error
  const { summary, hint, reason } = error
  return new KexecError(`the trial is confirmed, and ${summary}`, {
    reason,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}
