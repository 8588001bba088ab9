import { once } from 'node:events'
import { join } from 'node:path'
import { KexecError } from '../../errors.ts'
import { MARK_FILE } from '../../hooks/request-mark.ts'
import { bootIdOf } from '../../state/record.ts'
import { removeFile, replaceFile } from '../../system/replace-file.ts'
import type { System } from '../../system/system.ts'
import type { HandoverContext } from './init-system.ts'
import { keepLoaded } from './keep-loaded.ts'

export interface Request {
  /** The recipient of the request, for people: 'systemd'. */
  readonly of: string
  /** Sends the request. Throws when it cannot be sent. */
  readonly ask: () => unknown
  /** Where to look when the init system does not begin, a sentence. */
  readonly hint: string
  /** The services not yet stopped, by name, where they are known. */
  readonly remaining?: (system: System) => readonly string[]
}

/** Interval between reports of services not yet stopped, in milliseconds. */
const PROGRESS = 10_000

/**
 * Asks an init system and waits until it ends this process.
 * @throws KexecError 'handover-failed' when the request cannot be sent, or when the init system has not begun at the
 *   deadline; the request then stands
 */
export async function request(
  context: HandoverContext,
  { of, ask, hint, remaining = () => [] }: Request,
): Promise<void> {
  const { system, report, signal, deadline } = context
  signal?.throwIfAborted()
  const stopping = new AbortController()
  const ended = Promise.race(
    ['SIGTERM', 'SIGHUP'].map((name) => once(process, name, { signal: stopping.signal }).then(() => true)),
  )
  // The request must survive its terminal. SIGHUP is handled above, and nobody may be left to read.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const mark = join(system.root, MARK_FILE)
  try {
    const asked = context.allowFirmwareReboot ? 'kexec-or-firmware' : 'kexec'
    replaceFile(mark, Buffer.from(`${asked} ${bootIdOf(system) ?? ''}\n`), { mode: 0o600 })
    await ask()
  } catch (cause) {
    stopping.abort()
    ended.catch(() => {})
    removeFile(mark, { force: true })
    if (cause instanceof KexecError) throw cause
    throw new KexecError(`the request to ${of} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      reason: 'handover-failed',
      hint,
      cause,
    })
  }
  report(`${of} has the request to stop all services and start the loaded kernel`)
  keepLoaded(report)
  context.begun?.()
  const timer = setTimeout(() => stopping.abort(), deadline)
  const progress = setInterval(() => {
    const names = remaining(system)
    if (names.length > 0) report(`not stopped yet: ${names.join(', ')}`)
  }, PROGRESS)
  try {
    await ended
  } catch (cause) {
    throw new KexecError(`${of} did not begin to stop this process within ${deadline / 1000} s`, {
      reason: 'handover-failed',
      hint,
      evidence: remaining(system).map((value) => ({ source: 'not stopped yet', value })),
      cause,
    })
  } finally {
    clearTimeout(timer)
    clearInterval(progress)
  }
  report(`${of} is stopping the services`)
}
