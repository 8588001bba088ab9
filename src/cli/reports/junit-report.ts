import { hasPassed } from '../../rehearsal/model/rehearsal.ts'
import type { Rehearsal } from '../../rehearsal/rehearse.ts'
import { outcomeWords } from './rehearsal-report.ts'

/** A rehearsal as a JUnit document of one test case, which build servers read. */
export function junitReport(rehearsal: Rehearsal): string {
  const { outcome, cause, plan, phases, console } = rehearsal
  const time = Object.values(phases).reduce((sum, each) => sum + each, 0) / 1000
  const passed = hasPassed(outcome)
  const message = [outcomeWords(outcome), ...(cause === null ? [] : [cause])].join('. ')
  const failure = passed ? '' : `<failure type="${escaped(outcome.kind)}" message="${escaped(message)}"/>`
  const name = plan.version ?? plan.kernel
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="1" failures="${passed ? 0 : 1}" time="${time.toFixed(3)}">
<testsuite name="linux-kexec rehearse" tests="1" failures="${passed ? 0 : 1}" errors="0" time="${time.toFixed(3)}">
<testcase classname="rehearsal" name="${escaped(name)}" time="${time.toFixed(3)}">${failure}<system-out>${escaped(console)}</system-out></testcase>
</testsuite>
</testsuites>
`
}

/** XML 1.0 has no place for most control characters and for half characters, in any form. */
function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]/gu, '\ufffd')
      .replace(/[&<>"]/g, (found) => entities[found] as string)
  )
}
