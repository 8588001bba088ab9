import { readBootMenu } from '../../entries/discover.ts'
import type { BootMenu } from '../../entries/model/boot-menu.ts'
import type { BootEntry } from '../../entries/model/entry.ts'
import { selectEntry } from '../../entries/select.ts'
import { KexecError } from '../../errors.ts'
import type { System } from '../../system/system.ts'
import { judgeFirmware } from '../firmware/start.ts'
import { CHANGED_LOADERS, candidatesFor } from '../loader/candidates.ts'
import { makeChange, undoChange } from '../loader/change.ts'
import { OverlaidSystem } from '../loader/overlaid-system.ts'
import type { LoaderChange } from '../model/loader-change.ts'
import type { Rollback } from '../model/trial.ts'
import { isByAccident, judgeRollback, type Tried } from '../rollback.ts'

/** How a reset is made to boot the fallback. */
export interface PlannedFallback {
  readonly rollback: Rollback
  /** Null when the machine boots it anyway. */
  readonly change: LoaderChange | null
}

/**
 * Plans how a reset boots an entry: it is the default already, or a change of the boot loader's files makes it that, as an
 * evaluation of those files shows. Writes nothing.
 * @param selector the entry, as `selectEntry` takes it
 * @throws KexecError 'no-rollback' (refused) when the entry cannot be made the fallback, 'no-such-entry', 'ambiguous-entry'
 */
export async function planFallback(
  system: System,
  menu: BootMenu,
  selector: string,
  tried: Tried,
): Promise<PlannedFallback> {
  const entry = selectEntry(menu.entries, selector)
  const firmware = judgeFirmware(system)
  if (firmware.isOther) throw refuse(firmware.text, firmware.remedy)
  const now = judgeRollback(system, menu, tried)
  if (now.verdict === 'sure' && now.rollback.entry === entry.id) return { rollback: now.rollback, change: null }
  const loader = menu.loaders.find((each) => each.inCharge)
  const candidates = loader && candidatesFor(system, { menu, loader, entry, isLasting: false })
  if (candidates === undefined)
    throw refuse(
      `linux-kexec can make an entry the fallback of ${CHANGED_LOADERS} only, and ${loader === undefined ? 'no boot loader was found' : `this machine boots with ${loader.config} (${loader.source})`}`,
    )
  for (const { change, content } of candidates.list) {
    const changed = new OverlaidSystem(system.root, change.path, content)
    const then = await readBootMenu({ system: changed })
    const verdict = judgeRollback(changed, then, tried)
    if (verdict.verdict !== 'sure' || verdict.rollback.entry !== entry.id || isByAccident(then)) continue
    return { change, rollback: verdict.rollback }
  }
  throw refuse(`'${entry.title}' cannot be made the fallback: ${ofAnother(menu, entry) ?? candidates.none}`)
}

/**
 * Makes the change of a plan, and evaluates the boot loader's files again. A change that does not lead to the fallback is
 * taken back.
 * @throws KexecError 'no-rollback', 'io'
 */
export async function setFallback(system: System, planned: PlannedFallback, tried: Tried): Promise<Rollback> {
  const { change, rollback } = planned
  if (change !== null) makeChange(system, change)
  const verdict = judgeRollback(system, await readBootMenu({ system }), tried)
  if (verdict.verdict === 'sure' && verdict.rollback.entry === rollback.entry) return verdict.rollback
  if (change !== null) undoChange(system, change)
  throw refuse(`'${rollback.title}' is not what a reset boots${verdict.verdict === 'sure' ? '' : `: ${verdict.text}`}`)
}

/** BootNext of the firmware would start the other boot loader, for one boot and without proof of what its menu starts. */
function ofAnother({ loaders }: BootMenu, { sources }: BootEntry): string | null {
  const loader = loaders.find(({ inCharge }) => inCharge)
  if (loader === undefined || sources.includes(loader.source)) return null
  const other = loaders.find((each) => each.default !== null && sources.includes(each.source))
  return other === undefined
    ? null
    : `it is an entry of ${other.config} (${other.source}), and this machine boots with ${loader.config} (${loader.source}). linux-kexec does not make the firmware start another boot loader`
}

function refuse(summary: string, hint?: string): KexecError {
  return new KexecError(summary, {
    reason: 'no-rollback',
    hint: hint ?? 'Make the fallback the default of the boot loader: linux-kexec list',
    refused: true,
  })
}
