import { hasPassed } from '../model/rehearsal.ts'
import type { Rehearsal } from '../rehearse.ts'
import { rehearsalWords } from './outcome-words.ts'

/** A JUnit document, which build servers read. */
export interface TestSuite {
  readonly name: string
  readonly cases: readonly TestCase[]
}

export interface TestCase {
  readonly group: string
  readonly name: string
  readonly milliseconds: number
  readonly failure?: { readonly type: string; readonly message: string }
  /** Why it was not run. */
  readonly skipped?: string
  readonly output: string
}

/** A rehearsal as a document of one test case. */
export function junitReport(rehearsal: Rehearsal): string {
  const { outcome, cause, plan, phases, console } = rehearsal
  const milliseconds = Object.values(phases).reduce((sum, each) => sum + each, 0)
  const failure = { type: outcome.kind, message: failureMessage(rehearsalWords(rehearsal), cause) }
  const name = plan.version ?? plan.kernel
  const own = { group: 'rehearsal', name, milliseconds, output: console }
  return junitDocument([{ name: 'linux-kexec rehearse', cases: [hasPassed(outcome) ? own : { ...own, failure }] }])
}

export function failureMessage(words: string, cause: string | null): string {
  return [words, ...(cause === null ? [] : [cause])].join('. ')
}

export function junitDocument(suites: readonly TestSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts(all)}>`,
    ...suites.flatMap(({ name, cases }) => [
      `<testsuite name="${escaped(name)}" ${counts(cases)}>`,
      ...cases.map(caseElement),
      '</testsuite>',
    ]),
    '</testsuites>\n',
  ].join('\n')
}

function counts(cases: readonly TestCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== undefined).length
  const skipped = cases.filter((each) => each.skipped !== undefined).length
  const time = cases.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  return `tests="${cases.length}" failures="${failures}" errors="0" skipped="${skipped}" time="${seconds(time)}"`
}

function caseElement({ group, name, milliseconds, failure, skipped, output }: TestCase): string {
  const failed =
    failure === undefined ? '' : `<failure type="${escaped(failure.type)}" message="${escaped(failure.message)}"/>`
  const left = skipped === undefined ? '' : `<skipped message="${escaped(skipped)}"/>`
  const attributes = `classname="${escaped(group)}" name="${escaped(name)}" time="${seconds(milliseconds)}"`
  return `<testcase ${attributes}>${failed}${left}<system-out>${escaped(output)}</system-out></testcase>`
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3)
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
