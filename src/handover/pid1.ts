import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'

/** The first process, as /proc tells it. */
export interface FirstProcess {
  /** Its name (/proc/1/comm), at most 15 bytes; empty when unreadable. */
  readonly comm: string
  /** The file it runs (/proc/1/exe), which only root may read. */
  readonly program: string | undefined
  /** Whether one of its two names is among these: the file's name without its folder, or the process's. */
  isNamed(...names: readonly string[]): boolean
  readonly evidence: readonly Evidence[]
}

/** Reads what PID 1 is. In a folder that no kernel runs in, both names are empty. */
export function readFirstProcess(system: System): FirstProcess {
  const comm = system.readText('/proc/1/comm')?.trim() ?? ''
  // The kernel marks a program whose file was replaced by an upgrade.
  const program = system.readLink('/proc/1/exe')?.replace(/ \(deleted\)$/, '')
  const base = program?.split('/').at(-1)
  const evidence: Evidence[] = [{ source: '/proc/1/comm', value: comm === '' ? 'unreadable' : comm }]
  if (program !== undefined) evidence.push({ source: '/proc/1/exe', value: program })
  const isNamed = (...names: readonly string[]) => names.some((name) => name === base || name === comm)
  return { comm, program, isNamed, evidence }
}
