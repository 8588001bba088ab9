import { failureMessage, junitDocument, type TestCase } from '../../rehearsal/report/junit.ts'
import type { MatrixRecord, MatrixResult } from '../model/cell.ts'
import { groupTitle } from './titles.ts'

/** A matrix as a JUnit document: a suite for each architecture, engine and variant, and a case for each cell. */
export function matrixJunit({ name, cells }: MatrixRecord): string {
  const titles = [...new Set(cells.map(groupTitle))]
  return junitDocument(
    titles.map((title) => ({
      name: `${name}: ${title}`,
      cases: cells.filter((cell) => groupTitle(cell) === title).map((cell) => testCase(title, cell)),
    })),
  )
}

function testCase(group: string, { from, to, outcome, words, cause, milliseconds, console }: MatrixResult): TestCase {
  const own = { group, name: `${from} → ${to}`, milliseconds, output: console }
  if (outcome.kind === 'passed') return own
  if (outcome.kind === 'not-run') return { ...own, skipped: words }
  return { ...own, failure: { type: outcome.kind, message: failureMessage(words, cause) } }
}
