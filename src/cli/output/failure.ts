import { KexecError } from '../../errors.ts'
import { currentFolderIsGone, isCurrentFolderGone } from '../../system/current-folder.ts'
import { oneLine } from '../../text.ts'
import { type ExitStatus, exit, UsageError } from '../arguments/command.ts'
import { asRoot } from './as-root.ts'
import { stderr } from './descriptor.ts'
import { note, printJson, styled } from './output.ts'

/** Tells what went wrong, for people on standard error or as JSON on standard output. @returns the exit status */
export function reportFailure(error: unknown, json: boolean, command: string | undefined): ExitStatus {
  if (error instanceof UsageError) {
    if (json) printJson({ error: { reason: 'usage', message: error.message } })
    note(`${red('error:')} ${oneLine(error.message)}`)
    note(`Try: linux-kexec ${command === undefined ? '' : `${command} `}--help`)
    return exit.usage
  }
  if (!(error instanceof KexecError) && isCurrentFolderGone(error))
    return reportFailure(currentFolderIsGone(error), json, command)
  if (error instanceof KexecError) {
    const hint = asRoot(error, process.argv, process.geteuid?.()) ?? error.hint
    if (json) printJson({ error: { ...error.toJSON(), hint } })
    describe(error, hint)
    return statusOf(error)
  }
  const message = error instanceof Error ? error.message : String(error)
  if (json) printJson({ error: { reason: 'internal', message } })
  note(`${red('error:')} ${message}`)
  note('This is a fault in linux-kexec itself; please report it, with the command that led to it.')
  return exit.failed
}

/** 3 when we refused before the kernel was asked, 4 when nothing is loaded, else 1. */
export function statusOf(error: KexecError): ExitStatus {
  if (error.reason === 'nothing-loaded') return exit.nothingLoaded
  return error.refused ? exit.refused : exit.failed
}

/** An error for people: what, where, what to do, and what was read to tell so. */
export function describe(error: KexecError, hint: string | undefined = error.hint): void {
  note(`${red(error.refused ? 'refused:' : 'error:')} ${oneLine(error.message)}`)
  if (hint !== undefined) note(`  ${oneLine(hint)}`)
  for (const { source, value } of error.evidence) note(styled('dim', `  ${oneLine(`${source}: ${value}`)}`, stderr))
}

function red(text: string): string {
  return styled('red', text, stderr)
}
