import { findAddresses, findAddressesMeanwhile, SYMBOLS, type SymbolAddresses } from '../system/kernel-symbols.ts'

/** The names of the pointers to the loaded images: kernel/kexec_core.c. */
const names = ['kexec_image', 'kexec_crash_image'] as const

/** The addresses of the running kernel's pointers to the images it holds. */
export interface ImagePointers {
  readonly kernel: bigint
  readonly crash: bigint
}

/**
 * Looks the pointers up, which needs CAP_SYSLOG and CONFIG_KALLSYMS_ALL.
 * @returns in words why they are unknown, when they are
 */
export function findImagePointers(): ImagePointers | string {
  try {
    return pointersAmong(findAddresses(names))
  } catch (error) {
    return unreadable(error)
  }
}

/** The same off the event loop. */
export async function findImagePointersMeanwhile(): Promise<ImagePointers | string> {
  try {
    return pointersAmong(await findAddressesMeanwhile(names))
  } catch (error) {
    return unreadable(error)
  }
}

function pointersAmong(addresses: SymbolAddresses): ImagePointers | string {
  const [kernel, crash] = names.map((name) => addresses.get(name))
  if (kernel === undefined || crash === undefined)
    return `${SYMBOLS} does not list kexec_image (a kernel without CONFIG_KALLSYMS_ALL)`
  if (kernel === 0n || crash === 0n) return `${SYMBOLS} hides addresses (kernel.kptr_restrict, or no CAP_SYSLOG)`
  return { kernel, crash }
}

function unreadable(error: unknown): string {
  return `${SYMBOLS} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`
}
