import { type CommandLine, printCommandLine } from '../../cmdline/parse.ts'
import { withoutBoot } from '../../cmdline/reuse.ts'
import type { BootMenu } from '../../entries/model/boot-menu.ts'
import { KexecError } from '../../errors.ts'
import { optionName } from '../../option-name.ts'
import { type PlannedFallback, planFallback } from '../../trial/fallback/fallback.ts'
import { judgeFirmware } from '../../trial/firmware/start.ts'
import type { Rollback } from '../../trial/model/trial.ts'
import { judgeRollback, type RollbackVerdict, type Tried } from '../../trial/rollback.ts'
import type { Context } from '../context/context.ts'
import type { Choice, PlanDecision } from '../model/decision.ts'
import { type Remark, remarksOn } from '../model/remark.ts'
import { type AskedTrial, orAccept } from './options.ts'

const { warning, refusal } = remarksOn('trial')

/** What a reset would boot, and the change that makes it so. */
export interface ChosenRollback {
  /** Null where it is unknown, or would be the kernel on trial. */
  readonly rollback: Rollback | null
  /** The entry that was asked for; null without one. */
  readonly fallback: PlannedFallback | null
  readonly tried: Tried
}

/** What a reset would boot. Refuses where that is the kernel on trial, or unknown. */
export async function chooseRollback(
  context: Context,
  asked: AskedTrial,
  line: CommandLine,
): Promise<Choice<ChosenRollback>> {
  const { readBootMenu } = await import('../../entries/discover.ts')
  const menu = context.target.menu ?? (await readBootMenu({ system: context.system }))
  const its = tried(context, line)
  const firmware = judgeFirmware(context.system)
  const doubts = firmware.isOther ? [] : firmware.doubts.map((doubt) => warning('trial-rollback', doubt))
  if (asked.fallback !== null) return await chooseFallback(context, menu, { entry: asked.fallback, its, doubts })
  const verdict = judgeRollback(context.system, menu, its)
  if (verdict.verdict === 'sure') {
    const { rollback, isRunning } = verdict
    const text = `after a reset the machine boots '${rollback.title}', which is not the running system`
    const remarks = isRunning ? [] : [warning('trial-rollback', text)]
    return {
      value: { rollback, fallback: null, tried: its },
      decisions: [decision(rollback)],
      remarks: [...remarks, ...doubts],
    }
  }
  const remark = asked.allowGaps ? warning('trial-rollback', verdict.text) : refused(verdict)
  return { value: { rollback: null, fallback: null, tried: its }, decisions: [], remarks: [remark] }
}

async function chooseFallback(
  { system }: Context,
  menu: BootMenu,
  { entry, its, doubts }: { readonly entry: string; readonly its: Tried; readonly doubts: readonly Remark[] },
): Promise<Choice<ChosenRollback>> {
  try {
    const fallback = await planFallback(system, menu, entry, its)
    const { rollback } = fallback
    return { value: { rollback, fallback, tried: its }, decisions: [decision(rollback)], remarks: doubts }
  } catch (error) {
    if (!(error instanceof KexecError)) throw error
    return { value: { rollback: null, fallback: null, tried: its }, decisions: [], remarks: [refusal(error)] }
  }
}

function decision({ title, reason }: Rollback): PlanDecision {
  return { subject: 'trial', choice: `a reset boots '${title}'`, reason }
}

function refused({ verdict, text, remedy }: Exclude<RollbackVerdict, { verdict: 'sure' }>) {
  const another = `Make a reset boot another entry with ${optionName('fallback', 'ENTRY')}`
  const hint = orAccept(verdict === 'same-kernel' ? another : remedy)
  return refusal(new KexecError(text, { reason: 'no-rollback', hint, refused: true }))
}

function tried({ kernel, initrds, options }: Context, line: CommandLine): Tried {
  const files = initrds.archives.flatMap(({ file }) => (file?.stats == null ? [] : [file.path]))
  const isFile = typeof (options.kernel ?? '') === 'string'
  const sources = initrds.archives.flatMap(({ file }) => (file === null ? [] : [file.source]))
  const known = sources.length === initrds.archives.length && initrds.overlay.length === 0
  return {
    kernel: isFile ? kernel.file.path : null,
    inMemory: isFile ? null : { kernel: kernel.file.source, initrds: known ? sources : null },
    release: kernel.image.version,
    initrds: files.length === initrds.archives.length && initrds.overlay.length === 0 ? files : null,
    commandLine: printCommandLine(withoutBoot(line)),
  }
}
