import { runFor, runIf, runWhile } from './interpreter/control-flow.ts'
import type { RunStatement } from './interpreter/interpreter.ts'
import { runCommand } from './run-command.ts'

/** Runs a statement of a script for the interpreter. */
export const runStatement: RunStatement = (run, statement) => {
  switch (statement.kind) {
    case 'command':
      runCommand(run, statement)
      break
    case 'if':
      runIf(run, statement)
      break
    case 'for':
      runFor(run, statement)
      break
    case 'while':
      runWhile(run, statement)
      break
    case 'function':
      run.context.functions.set(statement.name, statement)
  }
}
