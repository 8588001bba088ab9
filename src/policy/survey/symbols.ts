import { FunctionNames, MAX_SYMBOLS, SYMBOLS } from '../../system/kernel-symbols.ts'
import type { System } from '../../system/system.ts'
import type { Known } from './known.ts'
import type { Survey } from './survey.ts'

/** Read once for each system: it takes a while. */
const lists = new WeakMap<System, FunctionNames | null>()

/**
 * Whether the running kernel has a function, or a system call, of this name. Null when the kernel shows no names.
 */
export function kernelHasSymbol(survey: Survey, name: string): Known {
  let list = lists.get(survey.system)
  if (list === undefined) {
    const text = survey.bytes(SYMBOLS, 'which functions the kernel has', MAX_SYMBOLS)?.toString('latin1')
    list = FunctionNames.of(text)
    lists.set(survey.system, list)
  }
  return list === null ? null : list.has(name)
}
