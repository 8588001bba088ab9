import { KexecError } from './errors.ts'

/** @throws KexecError 'aborted' when the signal has fired: nothing was changed. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted before the kernel was asked; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}
