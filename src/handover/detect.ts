import type { Evidence } from '../errors.ts'
import type { System } from '../system/system.ts'
import type { InitSystem } from './contract/init-system.ts'
import { type FirstProcess, readFirstProcess } from './first-process/pid1.ts'
import { initSystems } from './init-systems/served.ts'

/** Which program is PID 1, and what tells so. */
export interface DetectedInit {
  /** The name of an init system that is served; else what it is called, or 'unknown'. */
  readonly name: string
  /** What people call it. */
  readonly title: string
  /** Undefined when it is not served. */
  readonly initSystem: InitSystem | undefined
  readonly evidence: readonly Evidence[]
}

/** Tells the init system by PID 1's program and by the files that only a running one makes. The first that fits is taken. */
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

/** The name of an init system that is known and not served. */
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
