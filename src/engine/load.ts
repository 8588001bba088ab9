import { throwIfAborted } from '../abort.ts'
import { KexecError } from '../errors.ts'
import { type LoadCall, makeCall } from './call.ts'
import { unloadLocked } from './unload.ts'

/**
 * Makes a call that loads, off the event loop. The signal is heeded until the call begins. If it fires during the call,
 * the new image is unloaded afterwards.
 * @throws KexecError as `makeCall`, 'aborted'. A failed load of a kernel leaves the previously loaded one in place; a
 *   failed load of a crash kernel by kexec_file_load does not, and the error says so.
 */
export async function load(call: LoadCall, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  await makeCall(call)
  if (!signal?.aborted) return
  unloadLocked(call.panic)
  throw new KexecError('the load was interrupted while the kernel was loading; the new image was unloaded again', {
    reason: 'aborted',
    syscall: call.syscall,
    ...(call.path === undefined ? {} : { path: call.path }),
    hint: 'Nothing is loaded now, not even what had been loaded before.',
    cause: signal.reason,
  })
}
