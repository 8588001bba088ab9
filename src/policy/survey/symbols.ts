import type { System } from '../../system/system.ts'
import type { Known } from './known.ts'
import type { Survey } from './survey.ts'

export const SYMBOLS = '/proc/kallsyms'

/** Some 200,000 symbols, with those of modules: 10 MB. */
const MAX_BYTES = 64 * 1024 * 1024

/** Every kernel has it; without it, the file is not a list of symbols. */
const ALWAYS = 'printk'

/** Read once for each system: it takes a while. */
const lists = new WeakMap<System, string | null>()

/**
 * Whether the running kernel has a function, or a system call, of this name. All users may read names, but not
 * addresses. Null when the kernel shows no names (CONFIG_KALLSYMS).
 */
export function kernelHasSymbol(survey: Survey, name: string): Known {
  let list = lists.get(survey.system)
  if (list === undefined) {
    list = survey.bytes(SYMBOLS, 'which functions the kernel has', MAX_BYTES)?.toString('latin1') ?? null
    if (list !== null && !has(list, ALWAYS) && !has(list, `_${ALWAYS}`)) list = null
    lists.set(survey.system, list)
  }
  if (list === null) return null
  // '__x64_sys_kexec_load', '__arm64_sys_kexec_load', 'sys_kexec_load': prefixes differ by architecture.
  return has(list, name) || (name.startsWith('sys_') && new RegExp(` [Tt] __\\w+_${name}\\n`).test(list))
}

/** A system call that was not built has a weak symbol of its name ('W', kernel/sys_ni.c), which is not a function. */
function has(list: string, name: string): boolean {
  return list.includes(` T ${name}\n`) || list.includes(` t ${name}\n`)
}
