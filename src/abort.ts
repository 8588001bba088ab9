import { KexecError } from './errors.ts'

/**
 * @throws KexecError 'aborted' when the signal has fired; nothing was changed.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new KexecError('interrupted before the kernel was asked; what was loaded before still is', {
    reason: 'aborted',
    cause: signal.reason,
  })
}

/** The signals that a composite signal is made of, kept for as long as the composite lives. */
const sources = new WeakMap<AbortSignal, readonly unknown[]>()

/**
 * Makes a signal of `AbortSignal.any` fire when it should. It refers to its sources only weakly, so in Node 20 and 22
 * an `AbortSignal.timeout` among them that nobody else holds is collected as garbage and never fires. Where Node keeps
 * the sources under another name, nothing is done.
 */
export function heed(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal.aborted || sources.has(signal)) return
  const found = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kSourceSignals')
  if (found === undefined) return
  try {
    // Node's own sets and references have no methods to call by name.
    const references = [...Set.prototype.values.call(Reflect.get(signal, found))]
    sources.set(
      signal,
      references.map((each) => WeakRef.prototype.deref.call(each)),
    )
  } catch {
    // Kept in another form.
  }
}
