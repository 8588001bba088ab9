import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { uncheckedCodes, warningCodes } from '../../../../src/plan/model/codes.ts'
import { missingCodes } from '../../../../src/policy/verdict/codes.ts'

/** The first column of a section's table. */
function documented(heading: string): string[] {
  const [, section = ''] = readFileSync('docs/remarks.md', 'utf8').split(`## ${heading}\n`)
  const [own = ''] = section.split('\n## ')
  return [...own.matchAll(/^\| `([^`]+)` \|/gm)].map(([, code]) => code as string)
}

test.each([
  ['Warnings of a plan', warningCodes],
  ['Unchecked by a plan', uncheckedCodes],
  ['Facts missing for a verdict', missingCodes],
])('docs/remarks.md, "%s": every code, and no other', (heading, codes) => {
  expect(documented(heading)).toEqual([...codes].sort())
})
