import { oneLine } from '../../text.ts'
import { stderr } from '../output/descriptor.ts'
import { note, styled } from '../output/output.ts'

/** A warning on standard error: what a script reads from standard output stays as it is. */
export function warn(text: string): void {
  note(`${styled('yellow', 'warning:', stderr)} ${oneLine(text)}`)
}

/** What is wrong with a call, and what to do. */
export function complain(problem: string, hint: string | null): void {
  note(`${styled('red', 'error:', stderr)} ${oneLine(problem)}`)
  if (hint !== null) note(`  ${oneLine(hint)}`)
}
