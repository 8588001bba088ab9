import { KexecError } from '../../errors.ts'
import { currentDirectoryIsGone, isCurrentDirectoryGone } from '../../system/current-directory.ts'
import { type ExitStatus, exit, UsageError } from '../arguments/command.ts'
import { asRoot } from './as-root.ts'
import { note, noteBelow, noteLabelled, noteLine, printJson } from './output.ts'

/** Reports the failure, for people on standard error or as JSON on standard output. @returns the exit status */
export function reportFailure(error: unknown, json: boolean, command: string | undefined): ExitStatus {
  if (error instanceof UsageError) {
    if (json) printJson({ error: { reason: 'usage', message: error.message } })
    noteLabelled('error:', 'red', error.message)
    note(`Try: linux-kexec ${command === undefined ? '' : `${command} `}--help`)
    return exit.usage
  }
  if (!(error instanceof KexecError) && isCurrentDirectoryGone(error))
    return reportFailure(currentDirectoryIsGone(error), json, command)
  if (error instanceof KexecError) {
    const hint = asRoot(error, process.argv, process.geteuid?.()) ?? error.hint
    if (json) printJson({ error: { ...error.toJSON(), hint } })
    describe(error, hint)
    return statusOf(error)
  }
  const message = error instanceof Error ? error.message : String(error)
  if (json) printJson({ error: { reason: 'internal', message } })
  noteLabelled('error:', 'red', message)
  noteLine('This is a fault in linux-kexec itself; please report it, with the command that led to it.')
  return exit.failed
}

/** 3 when we refused before the kernel was asked, 4 when nothing is loaded or on trial, else 1. */
export function statusOf(error: KexecError): ExitStatus {
  if (error.reason === 'nothing-loaded' || error.reason === 'no-trial') return exit.nothingLoaded
  return error.refused ? exit.refused : exit.failed
}

/** An error for people: the fault, its place, the remedy, and the evidence. */
export function describe(error: KexecError, hint: string | undefined = error.hint): void {
  noteLabelled(error.refused ? 'refused:' : 'error:', 'red', error.message)
  if (hint !== undefined) noteBelow(hint)
  for (const { source, value } of error.evidence) noteBelow(`${source}: ${value}`, 'dim')
}
