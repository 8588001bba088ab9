import { closeSync, openSync, readSync } from 'node:fs'

const KALLSYMS = '/proc/kallsyms'

/** The names of the pointers to the loaded images: kernel/kexec_core.c. */
const names = ['kexec_image', 'kexec_crash_image'] as const

/** The addresses of the running kernel's pointers to the images it holds. */
export interface ImagePointers {
  readonly kernel: bigint
  readonly crash: bigint
}

/** More than any kernel with all its modules lists, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024

/** Longer than a line of kallsyms (KSYM_NAME_LEN is 512), in bytes. */
const MAX_LINE = 2048

/**
 * Looks the pointers up, which needs CAP_SYSLOG and CONFIG_KALLSYMS_ALL. The list has some ten megabytes, which take
 * tens of milliseconds.
 * @returns in words why they are unknown, when they are
 */
export function findImagePointers(path = KALLSYMS): ImagePointers | string {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const search = new Search(path)
    while (search.take(readSync(fd, search.buffer)));
    return search.result()
  } catch (error) {
    return unreadable(path, error)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** The same off the event loop: while the kernel performs a load, it costs no time. */
export async function findImagePointersMeanwhile(path = KALLSYMS): Promise<ImagePointers | string> {
  try {
    // Loaded only here: it takes milliseconds that other commands need not spend.
    const { open } = await import('node:fs/promises')
    const file = await open(path, 'r')
    try {
      const search = new Search(path)
      while (search.take((await file.read(search.buffer)).bytesRead));
      return search.result()
    } finally {
      await file.close()
    }
  } catch (error) {
    return unreadable(path, error)
  }
}

class Search {
  readonly buffer = Buffer.alloc(64 * 1024)
  readonly #path: string
  readonly #found = new Map<string, bigint>()
  #rest = ''
  #total = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Examines the bytes read. @returns whether it needs more */
  take(count: number): boolean {
    if (count === 0) return false
    this.#total += count
    const text = this.#rest + this.buffer.toString('latin1', 0, count)
    for (const name of names) {
      // "ffffffff84a2b0c8 B kexec_image"; a symbol of a module has a tab and its name behind it.
      const match = text.includes(` ${name}\n`) ? new RegExp(`^([0-9a-f]{1,16}) \\w ${name}$`, 'm').exec(text) : null
      if (match !== null && !this.#found.has(name)) this.#found.set(name, BigInt(`0x${match[1]}`))
    }
    this.#rest = text.slice(text.lastIndexOf('\n') + 1).slice(-MAX_LINE)
    return this.#total < MAX_BYTES && this.#found.size < names.length
  }

  result(): ImagePointers | string {
    const [kernel, crash] = names.map((name) => this.#found.get(name))
    if (kernel === undefined || crash === undefined)
      return `${this.#path} does not list kexec_image (a kernel without CONFIG_KALLSYMS_ALL)`
    if (kernel === 0n || crash === 0n) return `${this.#path} hides addresses (kernel.kptr_restrict, or no CAP_SYSLOG)`
    return { kernel, crash }
  }
}

function unreadable(path: string, error: unknown): string {
  return `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`
}
