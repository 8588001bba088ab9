import type { Limits, Needs } from './limits.ts'

/**
 * Does tasks beside each other as far as the limits allow, and in their order where they do not. A task that needs more than there
 * is runs alone. After the first failure, or the signal, no more are begun; those that run are waited for.
 * @throws that failure
 */
export async function runBesideEachOther<Task>(
  tasks: readonly Task[],
  limits: Limits,
  needsOf: (task: Task) => Needs,
  run: (task: Task) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const waiting = [...tasks]
  const running = new Set<Promise<void>>()
  const used = { processors: 0, memory: 0 }
  let failure: { readonly error: unknown } | undefined
  const fits = ({ processors, memory }: Needs) =>
    running.size < limits.jobs &&
    used.processors + processors <= limits.processors &&
    used.memory + memory <= limits.memory
  const begin = (task: Task, needs: Needs) => {
    used.processors += needs.processors
    used.memory += needs.memory
    const ended = run(task)
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => {
        used.processors -= needs.processors
        used.memory -= needs.memory
        running.delete(ended)
      })
    running.add(ended)
  }
  while (waiting.length > 0 || running.size > 0) {
    while (waiting.length > 0 && failure === undefined && signal?.aborted !== true) {
      const needs = needsOf(waiting[0] as Task)
      if (running.size > 0 && !fits(needs)) break
      begin(waiting.shift() as Task, needs)
    }
    if (running.size === 0) break
    await Promise.race(running)
  }
  if (failure !== undefined) throw failure.error
}
