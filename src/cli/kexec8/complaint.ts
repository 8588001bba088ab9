import { noteBelow, noteLabelled } from '../output/output.ts'

/** What is wrong with a call, and what to do. */
export function complain(problem: string, hint: string | null): void {
  noteLabelled('error:', 'red', problem)
  if (hint !== null) noteBelow(hint)
}
