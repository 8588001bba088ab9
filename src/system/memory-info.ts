import type { Evidence } from '../errors.ts'
import type { System } from './system.ts'

export const MEMINFO = '/proc/meminfo'

/**
 * Reads /proc/meminfo once.
 * @returns its value under a name, in bytes; undefined where the kernel does not report it
 */
export function readMemoryInfo(system: System): (name: string) => number | undefined {
  const fields = new Map<string, number>()
  for (const [, name, kibibytes] of (system.readText(MEMINFO) ?? '').matchAll(/^(\w+):\s*(\d{1,12}) kB$/gm)) {
    fields.set(name as string, Number(kibibytes) * 1024)
  }
  return (name) => fields.get(name)
}

/** A field in the form of the file. */
export function memoryEvidence(name: string, bytes: number): Evidence {
  return { source: `${MEMINFO} ${name}`, value: `${bytes / 1024} kB` }
}
