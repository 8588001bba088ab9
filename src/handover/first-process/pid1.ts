import type { Evidence } from '../../errors.ts'
import type { System } from '../../system/system.ts'

/** The first process, by /proc. */
export interface FirstProcess {
  /** Its name (/proc/1/comm), at most 15 bytes; empty when unreadable. */
  readonly comm: string
  /** Its program file. */
  readonly program: string | undefined
  /** Whether one of its two names is among these: the file's name without its directory, or the process's. */
  isNamed(...names: readonly string[]): boolean
  readonly evidence: readonly Evidence[]
}

/**
 * Reads PID 1's identity. Where only root may read its program, and in a directory without a running kernel, the
 * program is assumed to be /sbin/init, which kernels start.
 */
export function readFirstProcess(system: System): FirstProcess {
  const comm = system.readText('/proc/1/comm')?.trim() ?? ''
  // The kernel marks a program whose file an upgrade has replaced.
  const running = system.readLink('/proc/1/exe')?.replace(/ \(deleted\)$/, '')
  const program = running ?? (comm === '' || comm === 'init' ? startedByKernel(system) : undefined)
  const base = program?.split('/').at(-1)
  const evidence: Evidence[] = [{ source: '/proc/1/comm', value: comm === '' ? 'unreadable' : comm }]
  if (program !== undefined)
    evidence.push({ source: running === undefined ? '/sbin/init' : '/proc/1/exe', value: program })
  const isNamed = (...names: readonly string[]) => names.some((name) => name === base || name === comm)
  return { comm, program, isNamed, evidence }
}

function startedByKernel(system: System): string | undefined {
  try {
    return system.resolve('/sbin/init')
  } catch {
    return undefined
  }
}
