import { closeSync, openSync, readSync } from 'node:fs'
import type { System } from './system.ts'

/**
 * The running kernel's symbols: proc_kallsyms(5), absent without CONFIG_KALLSYMS. All users may read names; addresses are zeros for
 * users who may not know them (kernel.kptr_restrict, CAP_SYSLOG).
 */
export const SYMBOLS = '/proc/kallsyms'

/** Every kernel has it; without it, the file is not a list of symbols. */
const ALWAYS = 'printk'

/** Some 200,000 symbols, with those of modules: 10 MB. In bytes. */
export const MAX_SYMBOLS = 64 * 1024 * 1024

/** Longer than a line (KSYM_NAME_LEN is 512), in bytes. */
const MAX_LINE = 2048

/** Whether the kernel's addresses have 64 bits: every line begins with one. */
export function hasWideAddresses(system: System): boolean {
  try {
    return /^[0-9a-f]{16} /.test(system.readHead(SYMBOLS, 17).toString('latin1'))
  } catch {
    return false
  }
}

/** The names of functions in the whole text of the file. */
export class FunctionNames {
  readonly #list: string

  private constructor(list: string) {
    this.#list = list
  }

  /** @returns null where this is not a list of a kernel's symbols */
  static of(list: string | undefined): FunctionNames | null {
    if (list === undefined) return null
    const names = new FunctionNames(list)
    return names.#hasFunction(ALWAYS) || names.#hasFunction(`_${ALWAYS}`) ? names : null
  }

  /** Whether the kernel has a function, or a system call ('sys_kexec_load'), of this name. */
  has(name: string): boolean {
    // '__x64_sys_kexec_load', '__arm64_sys_kexec_load', 'sys_kexec_load': prefixes differ by architecture.
    const isCall = name.startsWith('sys_') && new RegExp(` [Tt] __\\w+_${name}\\n`).test(this.#list)
    return isCall || this.#hasFunction(name)
  }

  /** A system call that was not built has a weak symbol of its name ('W', kernel/sys_ni.c), which is not a function. */
  #hasFunction(name: string): boolean {
    return this.#list.includes(` T ${name}\n`) || this.#list.includes(` t ${name}\n`)
  }
}

/** Addresses by name. A name that is not listed is absent; where the kernel hides addresses, they are 0. */
export type SymbolAddresses = ReadonlyMap<string, bigint>

/** Looks addresses up, which takes tens of milliseconds. @throws Node's error when the file cannot be read */
export function findAddresses(names: readonly string[], path = SYMBOLS): SymbolAddresses {
  const fd = openSync(path, 'r')
  try {
    const search = new AddressSearch(names)
    while (search.take(readSync(fd, search.buffer)));
    return search.found
  } finally {
    closeSync(fd)
  }
}

/** The same off the event loop: while the kernel performs a load, it costs no time. */
export async function findAddressesMeanwhile(names: readonly string[], path = SYMBOLS): Promise<SymbolAddresses> {
  // Loaded only here: it takes milliseconds that other commands need not spend.
  const { open } = await import('node:fs/promises')
  const file = await open(path, 'r')
  try {
    const search = new AddressSearch(names)
    while (search.take((await file.read(search.buffer)).bytesRead));
    return search.found
  } finally {
    await file.close()
  }
}

class AddressSearch {
  readonly buffer = Buffer.alloc(64 * 1024)
  readonly found = new Map<string, bigint>()
  readonly #names: readonly string[]
  #rest = ''
  #total = 0

  constructor(names: readonly string[]) {
    this.#names = names
  }

  /** Examines the bytes read. @returns whether it needs more */
  take(count: number): boolean {
    if (count === 0) return false
    this.#total += count
    const text = this.#rest + this.buffer.toString('latin1', 0, count)
    for (const name of this.#names) {
      // "ffffffff84a2b0c8 B kexec_image"; a symbol of a module has a tab and its name behind it.
      const match = text.includes(` ${name}\n`) ? new RegExp(`^([0-9a-f]{1,16}) \\w ${name}$`, 'm').exec(text) : null
      if (match !== null && !this.found.has(name)) this.found.set(name, BigInt(`0x${match[1]}`))
    }
    this.#rest = text.slice(text.lastIndexOf('\n') + 1).slice(-MAX_LINE)
    return this.#total < MAX_SYMBOLS && this.found.size < this.#names.length
  }
}
