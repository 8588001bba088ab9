import { KexecError } from '../errors.ts'
import { unloadLocked } from './unload.ts'

/** Takes back a load during which the signal has fired. @throws KexecError 'aborted' then */
export function unloadIfAborted(
  { panic, path }: { readonly panic: boolean; readonly path: string },
  syscall: string,
  signal: AbortSignal | undefined,
): void {
  if (!signal?.aborted) return
  unloadLocked(panic)
  throw new KexecError('the load was interrupted while the kernel was at it; the new image was unloaded again', {
    reason: 'aborted',
    syscall,
    path,
    hint: 'Nothing is loaded now, also not what had been loaded before.',
    cause: signal.reason,
  })
}
