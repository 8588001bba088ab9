import { noteBelow, noteLabelled } from '../output/output.ts'

/** The fault of a call, and the remedy. */
export function complain(problem: string, hint: string | null): void {
  noteLabelled('error:', 'red', problem)
  if (hint !== null) noteBelow(hint)
}
