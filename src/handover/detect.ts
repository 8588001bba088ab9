import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'
import type { InitSystem } from './contract/init-system.ts'
import { type FirstProcess, readFirstProcess } from './first-process/pid1.ts'
import { initSystems } from './init-systems/served.ts'

/** The program that is PID 1, and the evidence. */
export interface DetectedInit {
  /** The name of a supported init system; else its own name, or 'unknown'. */
  readonly name: string
  /** Its name for people. */
  readonly title: string
  /** Undefined when it is not supported. */
  readonly initSystem: InitSystem | undefined
  readonly evidence: readonly Evidence[]
}

/**
 * Identifies the init system by PID 1's program and by the files that only a running one makes. The first match wins.
 */
export function detectInit(system: System): DetectedInit {
  const first = readFirstProcess(system)
  for (const initSystem of initSystems) {
    const more = initSystem.detect(system, first)
    if (more === undefined) continue
    const { name, title } = initSystem
    return { name, title, initSystem, evidence: [...first.evidence, ...more] }
  }
  const name = stranger(first)
  return { name, title: name, initSystem: undefined, evidence: first.evidence }
}

/** The name of a known init system that is not supported. */
function stranger(first: FirstProcess): string {
  for (const [name, ...programs] of strangers) if (first.isNamed(...programs)) return name
  return 'unknown'
}

const strangers: readonly (readonly [name: string, ...programs: string[]])[] = [
  ['s6-svscan without s6-linux-init', 's6-svscan'],
  ['tini (a container)', 'tini'],
  ['docker-init (a container)', 'docker-init'],
  ['dumb-init (a container)', 'dumb-init'],
]
