import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { handoverWarningCodes, noteCodes, obstacleCodes } from '../../../../src/handover/contract/remarks.ts'
import { uncheckedCodes, warningCodes } from '../../../../src/plan/model/codes.ts'
import { missingCodes } from '../../../../src/policy/verdict/codes.ts'
import { imageWarningCodes } from '../../../../src/state/loaded-image.ts'

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
  ['Warnings of a loaded image', imageWarningCodes],
  ['Warnings of a reboot', handoverWarningCodes.filter((code) => !imageWarningCodes.some((own) => own === code))],
  ['Obstacles to a handover', obstacleCodes],
  ['Notes on a handover', noteCodes],
])('docs/remarks.md, "%s": every code, and no other', (heading, codes) => {
  expect(documented(heading)).toEqual([...codes].sort())
})
