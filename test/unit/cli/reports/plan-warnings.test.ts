import { expect, test } from 'vitest'
import { warningsBeforeLoad } from '../../../../src/cli/reports/plan-warnings.ts'
import { KexecError, type PlanWarning } from '../../../../src/index.ts'

const warnings: PlanWarning[] = [
  { code: 'no-root', text: 'no root=' },
  { code: 'no-capability', text: 'this process does not have CAP_SYS_BOOT' },
]
const refusal = new KexecError('it is cut off', { reason: 'truncated-kernel' })

test('that this process may not load is left to the error that follows', () => {
  expect(warningsBeforeLoad({ warnings, refusals: [] }, false)).toEqual(warnings.slice(0, 1))
})

test('unless none follows: another refusal comes first, or the kernel is asked anyway', () => {
  expect(warningsBeforeLoad({ warnings, refusals: [refusal] }, false)).toEqual(warnings)
  expect(warningsBeforeLoad({ warnings, refusals: [] }, true)).toEqual(warnings)
})
