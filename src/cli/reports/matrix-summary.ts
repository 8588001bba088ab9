import type { MatrixRecord, MatrixResult } from '../../matrix/model/cell.ts'
import { titleOf } from '../../matrix/report/titles.ts'
import { stdout } from '../output/descriptor.ts'
import { lineWidth, placed, table } from '../output/layout.ts'

/** A matrix for people: how many passed, those that did not, and where everything is. */
export function matrixSummary({ counts, cells, interrupted }: MatrixRecord, report: string, results: string): string {
  const width = lineWidth(stdout)
  const { all, passed, failed, notRun, kept } = counts
  const isGood = passed === all
  const words = isGood ? `all ${all} cells` : `${passed} of ${all} cells; ${failed} did not, and ${notRun} were not run`
  const verdict = placed(`${words}${interrupted ? ' (interrupted)' : ''}`, {
    width,
    label: 'passed:',
    labelStyle: isGood ? 'green' : 'red',
    hanging: 2,
  })
  const failures = cells.filter(({ outcome }) => outcome.kind !== 'passed' && outcome.kind !== 'not-run')
  const lines = failures.flatMap((cell) => placed(resultLine(cell), { width, indent: 2 }))
  const rows = [
    ...(kept === 0 ? [] : [['  kept', `${kept} results of earlier runs`]]),
    ['  report', report],
    ['  results', results],
  ]
  return [...verdict, ...lines, ...table(rows, { width })].join('\n')
}

/** A cell in one line. */
export function resultLine(cell: MatrixResult): string {
  const { outcome, words, milliseconds } = cell
  const why = outcome.kind === 'passed' ? '' : `: ${words}`
  return `${outcome.kind}: ${titleOf(cell)}, ${(milliseconds / 1000).toFixed(1)} s${why}`
}
