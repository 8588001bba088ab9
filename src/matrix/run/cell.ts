import { KexecError } from '../../errors.ts'
import type { ToolVersions } from '../../rehearsal/machine/own-machine.ts'
import type { GuestError } from '../../rehearsal/model/rehearsal.ts'
import { rehearse } from '../../rehearsal/rehearse.ts'
import { outcomeWords } from '../../rehearsal/report/outcome-words.ts'
import type { MatrixCell, MatrixOutcome, MatrixResult } from '../model/cell.ts'
import { commandOf } from './command.ts'
import type { CellKeys } from './key.ts'

/** Characters of a console that are kept: its begin, and its end. */
const CONSOLE = { begin: 32 * 1024, end: 96 * 1024 }

/**
 * Rehearses a cell.
 * @throws KexecError 'aborted'. All else is an outcome
 */
export async function runCell(
  cell: MatrixCell,
  keys: CellKeys,
  tools: ToolVersions,
  signal: AbortSignal | undefined,
): Promise<MatrixResult> {
  const began = performance.now()
  const timed = () => ({ at: new Date().toISOString(), milliseconds: Math.round(performance.now() - began), tools })
  try {
    const key = await keys.keyOf(cell)
    const rehearsal = await rehearse(optionsFor(cell, signal))
    const { outcome, cause, phases, report, accelerator, plan } = rehearsal
    // Files may be built again while it runs: then nobody knows which ones it stands for.
    if ((await keys.keyOf(cell)) !== key) throw changed()
    return {
      ...named(cell),
      ...ending(outcome, cause),
      ...timed(),
      ...{ key, phases: rounded(phases), report, accelerator },
      loadedBy: plan.engine,
      commandLine: plan.commandLine,
      console: shortened(rehearsal.console),
    }
  } catch (error) {
    if (!(error instanceof KexecError) || error.reason === 'aborted') throw error
    const { reason, summary: message, hint, evidence } = error
    const own: GuestError = { reason, message, evidence, ...(hint === undefined ? {} : { hint }) }
    return { ...unrun(cell, { kind: 'error', error: own }, hint ?? null), ...timed() }
  }
}

/** A cell that is not rehearsed. */
export function unrun(cell: MatrixCell, outcome: MatrixOutcome, cause: string | null): MatrixResult {
  const nothing = { loadedBy: null, commandLine: null, report: null, accelerator: null, tools: null }
  return {
    ...named(cell),
    ...ending(outcome, cause),
    ...{ key: null, at: null, milliseconds: 0, phases: {}, console: '' },
    ...nothing,
  }
}

/** The names of a cell: they may have changed since an earlier run, and nothing depends on them. */
export function named(cell: MatrixCell) {
  const { from, to, architecture, engine, variant } = cell
  return { from: from.name, to: to.name, architecture, engine, variant, command: commandOf(cell) }
}

function ending(outcome: MatrixOutcome, cause: string | null): Pick<MatrixResult, 'outcome' | 'cause' | 'words'> {
  return { outcome, cause: outcome.kind === 'passed' ? null : cause, words: matrixWords(outcome) }
}

/** An outcome as a sentence. */
function matrixWords(outcome: MatrixOutcome): string {
  if (outcome.kind === 'not-run') return outcome.message
  if (outcome.kind === 'error') return outcome.error.message
  return outcomeWords(outcome)
}

function optionsFor({ from, to, engine, settings }: MatrixCell, signal: AbortSignal | undefined) {
  const without = to.mayHoldInitrd ? {} : { noInitrd: true }
  return {
    ...settings,
    ...{ kernel: to.kernel, from: from.kernel, engine },
    ...(to.initrds.length === 0 ? without : { initrds: to.initrds }),
    ...(signal === undefined ? {} : { signal }),
  }
}

function changed(): KexecError {
  return new KexecError('a file of the cell was changed while it ran', {
    reason: 'io',
    hint: 'Run the matrix again once the files are complete.',
  })
}

function rounded(phases: MatrixResult['phases']): MatrixResult['phases'] {
  return Object.fromEntries(Object.entries(phases).map(([phase, time]) => [phase, Math.round(time)]))
}

/** A console as it is kept: of a long one the begin and the end. */
export function shortened(text: string): string {
  const { begin, end } = CONSOLE
  if (text.length <= begin + end) return text
  return `${text.slice(0, begin)}\n… ${text.length - begin - end} characters are left out …\n${text.slice(-end)}`
}
